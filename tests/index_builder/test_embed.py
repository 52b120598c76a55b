"""Vectors on disk: right for every product, whatever its photo, and however often the work was stopped."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.catalog import Catalog, read_catalog
from artifacts.index_version import PhotoCounts
from index_builder import embed
from index_builder.download import DownloadSettings
from index_builder.embed import count_photos, embed_catalog
from index_builder.work_folder import VECTORS_FILE, Progress, read_progress, write_progress
from tests.index_builder.web import page, serve
from towers.query_encoder import OnnxQueryEncoder

ROWS_WITHOUT_PHOTO = (3, 5, 7, 9, 11, 13)


@pytest.fixture
def opened(bundle: Path) -> ModelBundle:
    return open_bundle(bundle)


@pytest.fixture
def products(catalog: Path) -> Catalog:
    return read_catalog(catalog)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "BLOCK_ROWS", 70)


def test_each_row_is_the_vector_of_its_product(
    opened: ModelBundle, products: Catalog, slow_vectors: np.ndarray, tmp_path: Path
) -> None:
    embedded = embed_catalog(opened, products, tmp_path)
    assert embedded.vectors.dtype == np.float32
    np.testing.assert_allclose(embedded.vectors, slow_vectors, atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(embedded.vectors, axis=1), 1, atol=1e-5)
    assert len(np.unique(embedded.vectors.round(4), axis=0)) == len(products)  # a shifted row would show


def test_vectors_lie_on_disk_as_they_are(opened: ModelBundle, products: Catalog, tmp_path: Path) -> None:
    embedded = embed_catalog(opened, products, tmp_path)
    assert isinstance(embedded.vectors, np.memmap)
    on_disk = np.fromfile(tmp_path / VECTORS_FILE, dtype=np.float32).reshape(300, 56)
    np.testing.assert_array_equal(on_disk, embedded.vectors)


def test_outcomes_of_photos_are_counted(opened: ModelBundle, products: Catalog, tmp_path: Path) -> None:
    unusable = {"address-refused": 1, "missing": 1, "outside": 1, "unreadable": 1}
    expected = PhotoCounts(usable=294, absent=2, unusable=unusable)
    assert embed_catalog(opened, products, tmp_path).photos == expected


@pytest.mark.usefixtures("small_blocks")
def test_outcomes_are_counted_over_all_blocks(opened: ModelBundle, products: Catalog, tmp_path: Path) -> None:
    photos = embed_catalog(opened, products, tmp_path).photos
    assert (photos.usable, photos.absent, sum(photos.unusable.values())) == (294, 2, 4)


def test_products_without_a_photo_are_found_by_their_title(
    opened: ModelBundle, products: Catalog, tmp_path: Path
) -> None:
    vectors = embed_catalog(opened, products, tmp_path).vectors
    encoder = OnnxQueryEncoder(opened.query_folder, opened.query)
    titles = [products.titles[row] for row in ROWS_WITHOUT_PHOTO]
    best = np.argmax(encoder.encode(titles) @ vectors.T, axis=1)
    assert tuple(best) == ROWS_WITHOUT_PHOTO


def test_a_model_of_titles_counts_no_photos(text_bundle: Path, products: Catalog, tmp_path: Path) -> None:
    embedded = embed_catalog(open_bundle(text_bundle), products, tmp_path)
    assert embedded.vectors.shape == (300, 32)
    assert embedded.photos == PhotoCounts(usable=0, absent=0)


@pytest.mark.usefixtures("small_blocks")
def test_blocks_make_no_difference(
    opened: ModelBundle, products: Catalog, slow_vectors: np.ndarray, tmp_path: Path
) -> None:
    np.testing.assert_allclose(embed_catalog(opened, products, tmp_path).vectors, slow_vectors, atol=2e-6)
    assert read_progress(tmp_path).rows == 300


@pytest.mark.usefixtures("small_blocks")
def test_a_stopped_encoding_goes_on_where_it_was(
    opened: ModelBundle,
    products: Catalog,
    slow_vectors: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encode_block, encoded = embed._encode_block, []

    def stop_at_the_third(encoder: object, block: Catalog, photos: object, advance: object) -> object:
        if len(encoded) == 2:
            raise KeyboardInterrupt
        encoded.append(block.product_ids[0])
        return encode_block(encoder, block, photos, advance)  # type: ignore[arg-type]

    monkeypatch.setattr(embed, "_encode_block", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        embed_catalog(opened, products, tmp_path)
    assert read_progress(tmp_path).rows == 140
    encoded[:] = [""] * 3  # never two again: not stopped any more
    embedded = embed_catalog(opened, products, tmp_path)
    ids = products.product_ids
    assert encoded[3:] == [ids[140], ids[210], ids[280]]
    np.testing.assert_allclose(embedded.vectors, slow_vectors, atol=2e-6)
    assert (embedded.photos.usable, embedded.photos.absent) == (294, 2)
    assert [failure.product_id for failure in embedded.failures] == [ids[row] for row in (3, 5, 7, 13)]


def test_finished_vectors_are_taken_as_they_are(
    opened: ModelBundle, products: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = np.array(embed_catalog(opened, products, tmp_path).vectors)
    monkeypatch.setattr(embed, "_product_encoder", lambda bundle: pytest.fail("encoded again"))
    again = embed_catalog(opened, products, tmp_path)
    np.testing.assert_array_equal(again.vectors, before)
    assert again.photos.usable == 294


@pytest.mark.parametrize("size_bytes", [None, 100, 300 * 56 * 4 + 4])
def test_a_note_without_its_vectors_counts_for_nothing(
    opened: ModelBundle, products: Catalog, slow_vectors: np.ndarray, tmp_path: Path, size_bytes: int | None
) -> None:
    write_progress(tmp_path, Progress(rows=300, outcomes={"usable": 1}))
    if size_bytes is not None:
        (tmp_path / VECTORS_FILE).write_bytes(bytes(size_bytes))
    embedded = embed_catalog(opened, products, tmp_path)
    np.testing.assert_allclose(embedded.vectors, slow_vectors, atol=2e-6)
    assert embedded.photos.usable == 294


def test_the_note_is_withdrawn_before_the_vectors_are_made_anew(
    opened: ModelBundle, products: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_progress(tmp_path, Progress(rows=300))

    def stop(bundle: ModelBundle) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(embed, "_product_encoder", stop)
    with pytest.raises(KeyboardInterrupt):
        embed_catalog(opened, products, tmp_path)
    assert read_progress(tmp_path).rows == 0


def test_counts_name_each_reason_in_order() -> None:
    counts = count_photos({"url": 2, "usable": 5, "missing": 1})
    assert counts == PhotoCounts(usable=5, absent=0, unusable={"missing": 1, "url": 2})
    assert list(counts.unusable) == ["missing", "url"]


def _as_urls(products: Catalog, base: str) -> Catalog:
    """The catalogue with URLs in place of paths. Rows without a photo stay as they are, but for that of a URL."""
    images = [
        image if row in ROWS_WITHOUT_PHOTO[:-1] else f"{base}/{image}" for row, image in enumerate(products.images)
    ]
    column = products.table.column_names.index("image")
    return Catalog(products.path, products.table.set_column(column, "image", pa.array(images)))


@pytest.mark.usefixtures("small_blocks")
def test_photos_by_url_give_the_vectors_of_the_same_files(
    opened: ModelBundle, products: Catalog, slow_vectors: np.ndarray, tmp_path: Path
) -> None:
    """The whole shop over HTTP; the photo of row 13 is one that the server does not have."""
    names = {image for image in products.images if image and (products.folder / image).is_file()}
    answers = {f"/{name}": page(content=(products.folder / name).read_bytes()) for name in names}
    answers["/http://127.0.0.1/photo.png"] = page(404)
    with serve(answers) as web:
        downloads = DownloadSettings(allow_private_addresses=True)
        embedded = embed_catalog(opened, _as_urls(products, web.url("")), tmp_path, downloads)
    np.testing.assert_allclose(embedded.vectors, slow_vectors, atol=2e-6)
    assert embedded.photos.usable == 294
    assert [failure.reason for failure in embedded.failures] == ["missing", "unreadable", "outside", "status-404"]
    assert embedded.failures[-1].product_id == products.product_ids[13]


@pytest.mark.usefixtures("small_blocks")
def test_only_products_of_this_run_are_in_the_ledger(opened: ModelBundle, products: Catalog, tmp_path: Path) -> None:
    """What a killed build noted of a catalogue that is now encoded anew counts for nothing."""
    before = embed_catalog(opened, products, tmp_path).failures
    (tmp_path / VECTORS_FILE).unlink()
    again = embed_catalog(opened, products, tmp_path)
    assert [failure.product_id for failure in again.failures] == [failure.product_id for failure in before]
    assert len(before) == 4
    assert min(failure.tried_at for failure in again.failures) > max(failure.tried_at for failure in before)


def test_a_model_of_titles_has_an_empty_ledger(text_bundle: Path, products: Catalog, tmp_path: Path) -> None:
    assert embed_catalog(open_bundle(text_bundle), products, tmp_path).failures == []
