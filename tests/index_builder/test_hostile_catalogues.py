"""Two hundred drawn hostile catalogues: each becomes a version that a service loads, or is refused in a sentence.

The suite draws the same ones each time. `VITRINE_HOSTILE_CATALOGUES=2000` in the environment draws so many others, and
new ones each time; of one that fails, hypothesis prints the seed.
"""

import contextlib
import io
import json
import os
import random
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artifacts.cli import printable
from artifacts.index_version import open_index_version
from artifacts.store import Store
from index_builder.build import BuildRequest, build_version
from index_builder.cli.friendly import friendly
from index_builder.index import curve_plot
from index_builder.index.indexing import IndexRequest
from index_builder.photos import download
from index_builder.versions.gate import check_and_record
from index_builder.versions.gate_limits import GateLimits
from service.worker.filter_masks import FilterColumns
from service.worker.hit_table import HitTable
from tests.index_builder.hostile_catalogues import Drawing, Hostile

OTHERS = int(os.environ.get("VITRINE_HOSTILE_CATALOGUES", "0"))
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300 + 2 * OTHERS)]
ANY_SHARE = GateLimits(most_without_photo=1, most_without_title=1, most_vector_similarity=1)


class Shop:
    """A store into which catalogues are built, one after the other."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.store = Store(folder / "store")
        self.bundle = bundle
        self.refused = self.built = 0
        self.marked = ""  # why the gate refuses what was built last

    def build(self, catalog: Path) -> str | None:
        """Build a catalogue as the command does; return the sentence by which it is refused, if it is."""
        for folder in ("versions", "gate"):
            shutil.rmtree(self.store.path / folder, ignore_errors=True)
        stderr, self.marked = io.StringIO(), ""
        with contextlib.redirect_stderr(stderr):
            try:
                friendly(self._build)(catalog)
            except typer.Exit:
                self.refused += 1
                return stderr.getvalue()
        self.built += 1
        return None

    def _build(self, catalog: Path) -> None:
        request = BuildRequest(self.bundle, catalog, self.store.path, "v", index_request=IndexRequest("Flat"))
        build_version(request)
        failures = check_and_record(self.store, "v", ANY_SHARE).failures
        self.marked = "; ".join(failures)

    def check_whole(self) -> None:
        """Check that there is nothing but whole versions and vectors."""
        versions = self.store.path / "versions"
        kept = {entry.name for entry in versions.iterdir()} if versions.is_dir() else set()
        assert kept <= {"v"}, f"left behind: {kept}"
        assert set(self.store.version_ids()) == kept
        for entry in self.store.path.glob("embeddings/*/*"):
            is_kept = entry.suffix in (".shard", ".memory", ".retries") or entry.name == ".lock"
            assert is_kept, f"left behind: {entry}"

    def check_served(self) -> None:
        """Make of the version's products what a service makes of them on loading."""
        products = open_index_version(self.store.path / "versions" / "v").products()
        FilterColumns(products)
        hits = HitTable(products)
        for row, product_id in enumerate(products["product_id"].to_pylist()):
            product = json.loads(hits.render_product(row), parse_constant=_no_json)
            assert product["product_id"] == product_id


def _no_json(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")


@pytest.fixture(scope="module")
def shop(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """No name is resolved, no pause is waited for, and the plot, which shows no product, is not drawn."""

    def resolve(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "no network in tests")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolve)
        patch.setattr(download, "FIRST_PAUSE_S", 0.0)
        patch.setattr(curve_plot, "draw_curve", lambda _, __, path: path.write_bytes(b"no plot"))
        yield Shop(tmp_path_factory.mktemp("hostile"), bundle)


def test_each_is_built_and_can_be_served_or_is_refused_by_name_and_the_next_good_one_is_built(
    shop: Shop, tmp_path: Path
) -> None:
    @settings(
        max_examples=OTHERS or 200,
        derandomize=not OTHERS,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(seed=st.integers(0, 2**32 - 1))  # hypothesis' own random numbers are mostly extremes: all faults at once
    def check(seed: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            _check(shop, Drawing(random.Random(seed), Path(folder)).write())  # noqa: S311

    check()
    assert min(shop.built, shop.refused) > (OTHERS or 200) / 10, "too few of one kind were drawn"
    good: dict[str, Any] = {"product_id": ["a", "b"], "title": ["red shoe", "toy"], "image": pa.nulls(2, pa.string())}
    pq.write_table(pa.table(good), tmp_path / "catalog.parquet")
    assert shop.build(tmp_path / "catalog.parquet") is None and not shop.marked
    shop.check_served()
    shop.check_whole()


def _check(shop: Shop, drawn: Hostile) -> None:
    refusal = shop.build(drawn.path)
    if refusal is not None:
        _check_sentence(refusal, drawn)
    elif shop.marked:
        _check_marked(shop.marked)
    else:
        shop.check_served()
    shop.check_whole()


def _check_sentence(refusal: str, drawn: Hostile) -> None:
    """A sentence of one line that can be printed, and names the file and what is wrong in it."""
    assert refusal.startswith("Error: ") and refusal.endswith("\n"), refusal
    sentence = refusal[:-1]
    assert sentence.isprintable(), f"not of printable characters: {sentence!r}"
    assert len(sentence) < 2000, f"too long: {len(sentence)}"
    assert str(drawn.path) in sentence, f"no file is named: {sentence}"
    missing = [name for name in drawn.names if name not in sentence]
    assert not missing, f"{missing} not named: {sentence}"


def _check_marked(failures: str) -> None:
    """What the gate says of a version that was built, but that no service could load, or that no query tells apart."""
    known = r"no service can load its products: column .* cannot be shown: |the mean cosine of the vectors "
    assert re.search(known, printable(failures)), failures
