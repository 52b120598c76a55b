"""Six feeds as six programs write them: every product, and every fault in its line."""

from pathlib import Path

import pytest

from artifacts.catalog import read_catalog
from benchmarks.feeds.make_feeds import FEEDS
from tests.feeds.conftest import Import

COUNT = 600


@pytest.mark.parametrize("name", FEEDS)
def test_all_products_and_all_faults_are_found(name: str, tmp_path: Path, importing: Import) -> None:
    made = FEEDS[name](tmp_path, COUNT, 0)

    result = importing(made.path)

    assert result.column("product_id") == made.products
    told = {line: reason for kind in ("unusable", "left out", "cell") for line, reason in result.lines(kind).items()}
    assert told.keys() == made.faults.keys()
    assert [line for line, word in made.faults.items() if word not in told[line]] == []
    assert all(result.column("title"))
    cells = {issue["product_id"] for issue in result.issues if issue["kind"] == "cell"}
    assert {row["product_id"] for row in result.products if row["price"] is None} <= cells
    assert result.imported.summary.photos["with_photo"] == len(made.products)
    assert {currency for currency in result.column("currency") if currency} <= {"EUR", "USD"}
    assert len(read_catalog(result.shop / "catalog.parquet")) == len(made.products)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    for make in FEEDS.values():
        first, second = make(tmp_path, 30, 1), make(tmp_path / "again", 30, 1)
        assert first.path.read_bytes() == second.path.read_bytes()
