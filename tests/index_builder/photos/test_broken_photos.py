"""A shop with broken photos among sound ones: the build ends, names exactly those, and they are still found."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.bundle import open_bundle
from artifacts.catalog import read_catalog
from artifacts.index_version import open_index_version
from artifacts.store import Store
from index_builder.build import BuildRequest, build_version
from index_builder.embeddings.embed import EncodingOptions
from index_builder.index.indexing import IndexRequest
from index_builder.photos.download import DownloadSettings
from index_builder.versions.ledger import version_failures
from index_builder.versions.verify import verify_version
from knn import OperatingPoint, read_index
from tests.index_builder.web import Answer, cut_off, page, serve
from tests.support.photos import noise
from towers.query_encoder import OnnxQueryEncoder

PRODUCTS = 150
REMOVED, TRUNCATED, HTML = 17, 64, 111  # 2% of the photos
GONE, CUT, LOGIN, DATA, NOWHERE, PORT = 30, 75, 120, 36, 39, 42  # of those on the web
PAGE = b"<!doctype html><title>Moved</title>"


def photo(number: int) -> bytes:
    sink = io.BytesIO()
    noise(24, 24, seed=number).save(sink, "jpeg")
    return sink.getvalue()


def write_shop(folder: Path, titles: list[str], base: str) -> None:
    """A catalogue in two files; every third photo is on the web, the others lie beside it."""
    folder.mkdir()
    for number in range(PRODUCTS):
        (folder / f"{number}.jpg").write_bytes(photo(number))
    (folder / f"{REMOVED}.jpg").unlink()
    (folder / f"{TRUNCATED}.jpg").write_bytes(photo(TRUNCATED)[:300])
    (folder / f"{HTML}.jpg").write_bytes(PAGE)
    images = [f"{base}/{number}.jpg" if number in by_url() else f"{number}.jpg" for number in range(PRODUCTS)]
    images[PORT] = "http://127.0.0.1:99999/x.jpg"
    table = pa.table({"product_id": [f"p{n:03}" for n in range(PRODUCTS)], "title": titles, "image": images})
    pq.write_table(table.slice(0, 100), folder / "part-0.parquet")
    pq.write_table(table.slice(100), folder / "part-1.parquet")


def by_url() -> list[int]:
    return [number for number in range(0, PRODUCTS, 3) if number != HTML]


@pytest.mark.integration
def test_broken_photos_are_named_and_their_products_found(
    bundle: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index_builder.photos.download.FIRST_PAUSE_S", 0.01)
    titles = read_catalog(catalog).titles[:PRODUCTS]
    answers: dict[str, Answer] = {f"/{number}.jpg": page(content=photo(number)) for number in by_url()}
    broken = {GONE: page(404), CUT: cut_off(photo(CUT)[:300], 5000), LOGIN: page(content=PAGE)}
    broken |= {DATA: page(302, location="data:image/gif;base64,R0"), NOWHERE: page(302, location="http://xn--a/x.jpg")}
    answers |= {f"/{number}.jpg": answer for number, answer in broken.items()}
    with serve(answers) as web:
        write_shop(tmp_path / "shop", titles, web.url(""))
        encoding = EncodingOptions(DownloadSettings(allow_private_addresses=True))
        built = build_version(
            BuildRequest(bundle, tmp_path / "shop", tmp_path / "store", "v", IndexRequest("Flat"), encoding=encoding)
        )
    failures = version_failures(Store(tmp_path / "store"), "v")
    assert {(int(entry.product_id[1:]), entry.reason, entry.attempts) for entry in failures} == {
        (REMOVED, "missing", 1),
        (TRUNCATED, "unreadable", 1),
        (HTML, "not-an-image", 1),
        (GONE, "status-404", 1),
        (CUT, "broken-transfer", 4),
        (LOGIN, "not-an-image", 1),
        (DATA, "bad-url", 1),
        (NOWHERE, "bad-url", 1),
        (PORT, "bad-url", 0),
    }
    assert [entry.product_id for entry in failures] == sorted(entry.product_id for entry in failures)
    assert (built.manifest.count, built.manifest.photos.usable) == (PRODUCTS, PRODUCTS - 9)
    rows = [int(entry.product_id[1:]) for entry in failures]
    np.testing.assert_array_equal(found_first(built.path, bundle, [titles[row] for row in rows]), rows)
    assert verify_version(Store(tmp_path / "store"), "v").canary_overlap == 1.0


def found_first(version: Path, bundle: Path, queries: list[str]) -> np.ndarray:
    """Row of the product that the version finds first for each query."""
    opened, model = open_index_version(version), open_bundle(bundle)
    index = read_index(opened.index_path, opened.index_record.sha256, opened.index_record.size_bytes)
    vectors = OnnxQueryEncoder(model.query_folder, model.query).encode(queries)
    return index.search(vectors, 1, OperatingPoint(None, None)).rows[:, 0]
