"""What tests of imports share."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from feeds.columns.mapping import Mapping
from feeds.importing import Imported, Options, import_feed


@dataclass(frozen=True)
class Result:
    """A shop that an import wrote."""

    shop: Path
    imported: Imported
    products: list[dict[str, Any]]
    issues: list[dict[str, str]]

    def column(self, name: str) -> list[Any]:
        return [product.get(name) for product in self.products]

    def lines(self, kind: str) -> dict[int, str]:
        """The reason of each issue of a kind by its line."""
        return {int(issue["line"]): issue["reason"] for issue in self.issues if issue["kind"] == kind}


Import = Callable[..., Result]


def read_shop(shop: Path, imported: Imported) -> Result:
    with (shop / "issues.csv").open(encoding="utf-8", newline="") as file:
        issues = list(csv.DictReader(file))
    return Result(shop, imported, pq.read_table(shop / "catalog.parquet").to_pylist(), issues)


@pytest.fixture
def importing(tmp_path: Path) -> Import:
    """Import a feed that is given as text or bytes, or one that is there."""

    def import_(
        feed: str | bytes | Path, name: str = "feed.csv", options: Options | None = None, **said: Any
    ) -> Result:
        if not isinstance(feed, Path):
            path = tmp_path / name
            path.write_bytes(feed.encode() if isinstance(feed, str) else feed)
            feed = path
        imported = import_feed(feed, tmp_path / "shop", options or Options(Mapping(**said)))
        return read_shop(tmp_path / "shop", imported)

    return import_
