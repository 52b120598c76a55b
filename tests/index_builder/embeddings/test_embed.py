"""Products to vectors: right for every product, encoded only once, however often the work is stopped."""

import datetime
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.bundle import open_bundle
from artifacts.catalog import read_catalog
from artifacts.manifest import PhotoCounts
from index_builder.core.errors import BuildError
from index_builder.embeddings import tasks
from index_builder.embeddings.collect import VECTORS_FILE
from index_builder.embeddings.embed import EncodingOptions
from index_builder.photos import photo_identity
from index_builder.photos.download import DownloadSettings
from tests.index_builder.embedding import embed_shop
from tests.index_builder.web import page, serve
from tests.support.photos import noise
from towers.query_encoder import OnnxQueryEncoder

ROWS_WITHOUT_PHOTO = (3, 5, 7, 9, 11, 13)
REASONS = ["missing", "unreadable", "outside", "address-refused"]
SMALL = EncodingOptions(shard_rows=70)
ALLOWED = DownloadSettings(allow_private_addresses=True)


@pytest.fixture
def shop(catalog: Path, tmp_path: Path) -> Path:
    """A copy of the shop, to be changed."""
    folder = Path(shutil.copytree(catalog.parent, tmp_path / "shop"))
    shutil.copyfile(catalog.parent.parent / "outside.png", tmp_path / "outside.png")
    return folder / catalog.name


@pytest.fixture
def encoded_titles(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Titles of the tasks that are encoded."""
    titles: list[list[str]] = []
    encode = tasks._encode

    def note(encoder: Any, task: Any, *more: Any) -> Any:
        titles.append(task.texts)
        return encode(encoder, task, *more)

    monkeypatch.setattr(tasks, "_encode", note)
    return titles


def change(catalog: Path, row: int, **values: object) -> None:
    """Give a product other values."""
    rows = pq.read_table(catalog).to_pylist()
    rows[row] |= values
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(catalog)), catalog)


def test_each_row_is_the_vector_of_its_product(
    bundle: Path, catalog: Path, slow_vectors: np.ndarray, tmp_path: Path
) -> None:
    vectors = embed_shop(bundle, catalog, tmp_path).products.vectors
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, slow_vectors, atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert len(np.unique(vectors.round(4), axis=0)) == 300  # a shifted row would show


def test_vectors_lie_on_disk_as_they_are(bundle: Path, catalog: Path, tmp_path: Path) -> None:
    vectors = embed_shop(bundle, catalog, tmp_path).products.vectors
    assert isinstance(vectors, np.memmap)
    on_disk = np.fromfile(tmp_path / VECTORS_FILE, dtype=np.float32).reshape(300, 56)
    np.testing.assert_array_equal(on_disk, vectors)


@pytest.mark.parametrize("shard_rows", [13, 300, 4096])
def test_shards_make_no_difference(
    bundle: Path, catalog: Path, slow_vectors: np.ndarray, tmp_path: Path, shard_rows: int
) -> None:
    embedding = embed_shop(bundle, catalog, tmp_path, EncodingOptions(shard_rows=shard_rows))
    np.testing.assert_allclose(embedding.products.vectors, slow_vectors, atol=2e-6)
    assert embedding.encoded == 300
    assert len(list(tmp_path.rglob("*.shard"))) == -(-300 // shard_rows)
    unusable = {"address-refused": 1, "missing": 1, "outside": 1, "unreadable": 1}
    assert embedding.products.photos == PhotoCounts(usable=294, absent=2, unusable=unusable)
    assert list(embedding.products.photos.unusable) == sorted(unusable)
    ids = read_catalog(catalog).product_ids
    failures = embedding.products.failures
    assert [(entry.product_id, entry.reason) for entry in failures] == [
        (ids[row], reason) for row, reason in zip((3, 5, 7, 13), REASONS, strict=True)
    ]


def test_products_without_a_photo_are_found_by_their_title(bundle: Path, catalog: Path, tmp_path: Path) -> None:
    vectors, opened, titles = embed_shop(bundle, catalog, tmp_path).products.vectors, open_bundle(bundle), []
    titles = [read_catalog(catalog).titles[row] for row in ROWS_WITHOUT_PHOTO]
    found = OnnxQueryEncoder(opened.query_folder, opened.query).encode(titles) @ vectors.T
    assert tuple(np.argmax(found, axis=1)) == ROWS_WITHOUT_PHOTO


def test_a_model_of_titles_counts_no_photos(text_bundle: Path, catalog: Path, tmp_path: Path) -> None:
    products = embed_shop(text_bundle, catalog, tmp_path, SMALL).products
    assert products.vectors.shape == (300, 32)
    assert products.photos == PhotoCounts(usable=0, absent=0)
    assert products.failures == []


def test_photos_by_url_give_the_vectors_of_the_same_files(
    bundle: Path, shop: Path, slow_vectors: np.ndarray, tmp_path: Path
) -> None:
    """The whole shop over HTTP; the photo of row 13 is one that the server does not have."""
    table = pq.read_table(shop)
    images = table["image"].to_pylist()
    names = {image for image in images if image and (shop.parent / image).is_file()}
    answers = {f"/{name}": page(content=(shop.parent / name).read_bytes()) for name in names}
    answers["/http://127.0.0.1/photo.png"] = page(404)
    with serve(answers) as web:
        urls = [image if row in ROWS_WITHOUT_PHOTO[:-1] else web.url(f"/{image}") for row, image in enumerate(images)]
        pq.write_table(table.set_column(table.column_names.index("image"), "image", pa.array(urls)), shop)
        products = embed_shop(bundle, shop, tmp_path, EncodingOptions(ALLOWED, shard_rows=70)).products
    np.testing.assert_allclose(products.vectors, slow_vectors, atol=2e-6)
    assert products.photos.usable == 294
    assert [failure.reason for failure in products.failures] == [*REASONS[:3], "status-404"]


def test_nothing_is_encoded_twice(bundle: Path, catalog: Path, tmp_path: Path) -> None:
    first = embed_shop(bundle, catalog, tmp_path)
    before = np.array(first.products.vectors)
    again = embed_shop(bundle, catalog, tmp_path)
    assert (again.encoded, again.reported) == (0, ["encoding 0 of 300 products"])
    np.testing.assert_array_equal(again.products.vectors, before)
    assert again.products.photos == first.products.photos
    # What failed to decode is reported as it was; whether a file is there was looked at again.
    for old, new in zip(first.products.failures, again.products.failures, strict=True):
        assert (new.product_id, new.reason, new.attempts) == (old.product_id, old.reason, old.attempts)
        tried_at = old.tried_at.replace(microsecond=old.tried_at.microsecond // 1000 * 1000)
        assert new.tried_at > old.tried_at if new.reason in ("missing", "outside") else new.tried_at == tried_at


def test_only_what_changed_is_encoded(
    bundle: Path, shop: Path, tmp_path: Path, encoded_titles: list[list[str]], slow_vectors: np.ndarray
) -> None:
    before = np.array(embed_shop(bundle, shop, tmp_path).products.vectors)
    change(shop, 20, title="red toy pan cap")
    change(shop, 21, price=1.0, in_stock=False)
    noise(30, 30, seed=5).save(shop.parent / "images" / "2.png")  # of rows 2, 26, 50, ...
    titles = read_catalog(shop).titles
    changed = [row for row in range(300) if row == 20 or (row % 24 == 2 and row not in ROWS_WITHOUT_PHOTO)]
    encoded_titles.clear()
    again = embed_shop(bundle, shop, tmp_path)
    assert encoded_titles == [[titles[row] for row in changed]]
    assert again.encoded == len(changed) == 14
    same = np.setdiff1d(np.arange(300), changed)
    np.testing.assert_array_equal(again.products.vectors[same], before[same])
    assert (np.abs(again.products.vectors[changed] - before[changed]).max(axis=1) > 1e-4).all()


def test_a_night_with_one_percent_new_encodes_one_percent(bundle: Path, shop: Path, tmp_path: Path) -> None:
    embed_shop(bundle, shop, tmp_path)
    for row in (100, 200, 299):
        change(shop, row, title=f"toy {row}")
    assert embed_shop(bundle, shop, tmp_path).reported == ["encoding 3 of 300 products"]


def test_the_order_of_products_does_not_matter(bundle: Path, shop: Path, tmp_path: Path) -> None:
    before = np.array(embed_shop(bundle, shop, tmp_path).products.vectors)
    order = np.random.default_rng(0).permutation(300)[:250]
    pq.write_table(pq.read_table(shop).take(pa.array(order)), shop)
    again = embed_shop(bundle, shop, tmp_path)
    assert again.encoded == 0
    np.testing.assert_array_equal(again.products.vectors, before[order])


def test_equal_products_are_encoded_once(
    bundle: Path, shop: Path, tmp_path: Path, encoded_titles: list[list[str]]
) -> None:
    shutil.copyfile(shop.parent / "images" / "4.png", shop.parent / "copy.png")
    for row, image in ((40, "images/4.png"), (41, "copy.png"), (42, None), (43, "no-such-file.png")):
        change(shop, row, title="red cap", image=image)
    embedding = embed_shop(bundle, shop, tmp_path)
    assert embedding.encoded == 298
    assert encoded_titles[0].count("red cap") == 2
    vectors = embedding.products.vectors
    np.testing.assert_array_equal(vectors[40], vectors[41])
    np.testing.assert_array_equal(vectors[42], vectors[43])
    assert np.abs(vectors[40] - vectors[42]).max() > 1e-3
    assert embedding.products.photos.absent == 3  # and row 43 is one that is missing
    assert embedding.products.photos.unusable["missing"] == 2


def test_a_damaged_shard_is_encoded_again(bundle: Path, catalog: Path, tmp_path: Path) -> None:
    before = np.array(embed_shop(bundle, catalog, tmp_path, SMALL).products.vectors)
    shard = sorted(tmp_path.rglob("*.shard"))[1]
    shard.write_bytes(shard.read_bytes()[:-8] + bytes(8))
    again = embed_shop(bundle, catalog, tmp_path, SMALL)
    assert again.reported == [
        f"{shard} is damaged, or was written by another release of Vitrine: its products are encoded again",
        "encoding 70 of 300 products",
    ]
    np.testing.assert_allclose(again.products.vectors, before, atol=1e-6)
    assert embed_shop(bundle, catalog, tmp_path, SMALL).encoded == 0


def test_another_model_has_vectors_of_its_own(bundle: Path, other_bundle: Path, catalog: Path, tmp_path: Path) -> None:
    one = np.array(embed_shop(bundle, catalog, tmp_path).products.vectors)
    other = embed_shop(other_bundle, catalog, tmp_path)
    assert other.encoded == 300
    assert np.abs(one - other.products.vectors).max() > 0.1


class Stop(Exception):
    """Somebody pressed Ctrl-C."""


def stop_after(shards: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the build be stopped after so many shards of this run."""
    written = []

    def write(path: Path, content: Any) -> None:
        if len(written) == shards:
            raise Stop
        written.append(path)
        write_shard(path, content)

    write_shard = tasks.write_shard
    monkeypatch.setattr(tasks, "write_shard", write)


def shard_vectors(store: Path) -> dict[str, bytes]:
    """The vectors of each shard, bit by bit."""
    found = {}
    for path in store.rglob("*.shard"):
        table = pa.ipc.open_file(pa.BufferReader(path.read_bytes()[32:])).read_all()
        found[path.name] = table["vector"].combine_chunks().flatten().to_numpy().tobytes()
    return found


def test_a_stopped_encoding_goes_on_where_it_was_bit_by_bit(
    bundle: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded_titles: list[list[str]]
) -> None:
    unbroken = np.array(embed_shop(bundle, catalog, tmp_path / "unbroken", SMALL).products.vectors)
    for shards in (2, 0, 1):
        with monkeypatch.context() as patch:
            stop_after(shards, patch)
            with pytest.raises(Stop):
                embed_shop(bundle, catalog, tmp_path / "broken", SMALL)
    encoded_titles.clear()
    last = embed_shop(bundle, catalog, tmp_path / "broken", EncodingOptions(shard_rows=11))  # the plan is made already
    assert last.reported == ["continuing a stopped build: 90 of 300 products are still to be encoded"]
    assert (last.encoded, [len(titles) for titles in encoded_titles]) == (90, [70, 20])
    np.testing.assert_array_equal(last.products.vectors, unbroken)
    assert shard_vectors(tmp_path / "broken") == shard_vectors(tmp_path / "unbroken")


def test_a_stopped_build_of_something_else_is_not_gone_on_with(
    bundle: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after(1, patch)
        with pytest.raises(Stop):
            embed_shop(bundle, catalog, tmp_path, SMALL, purpose="yesterday")
    today = embed_shop(bundle, catalog, tmp_path, SMALL, purpose="today")
    assert today.reported == ["encoding 230 of 300 products"]  # what was encoded counts all the same


def test_a_photo_that_changes_after_the_plan_was_made_is_not_mistaken(
    bundle: Path, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the stopped build and the next, one photo is changed and one removed; both are in no shard yet."""
    with monkeypatch.context() as patch:
        stop_after(1, patch)
        with pytest.raises(Stop):
            embed_shop(bundle, shop, tmp_path / "store", EncodingOptions(shard_rows=280))
    change(shop, 290, image="images/2.png")  # row 290 has that photo already
    noise(30, 30, seed=5).save(shop.parent / "images" / "2.png")
    (shop.parent / "images" / "3.png").unlink()
    again = embed_shop(bundle, shop, tmp_path / "store", EncodingOptions(shard_rows=280))
    fresh = embed_shop(bundle, shop, tmp_path / "fresh")
    np.testing.assert_allclose(again.products.vectors, fresh.products.vectors, atol=1e-6)
    assert again.products.photos == fresh.products.photos


def test_photos_that_are_changed_again_and_again_end_the_build(
    bundle: Path, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, numbers = shop.parent / "images" / "2.png", iter(range(1000))

    def changing(act: Callable[..., object]) -> Callable[..., object]:
        def and_change(*arguments: object) -> None:
            act(*arguments)
            noise(30, 30, seed=next(numbers)).save(photo)

        return and_change

    monkeypatch.setattr(photo_identity.PhotoIdentities, "save", changing(photo_identity.PhotoIdentities.save))
    monkeypatch.setattr(tasks, "write_shard", changing(tasks.write_shard))
    with pytest.raises(BuildError, match="photos were changed while they were encoded; build again when nobody"):
        embed_shop(bundle, shop, tmp_path)


@pytest.fixture
def web_shop(shop: Path) -> Iterator[tuple[Path, dict[str, Any], Any]]:
    """Three products with photos on the web, of which the server does not have the second."""
    photos = [(shop.parent / "images" / f"{number}.png").read_bytes() for number in range(3)]
    answers = {"/0": page(content=photos[0]), "/1": page(404), "/2": page(content=photos[2])}
    with serve(answers) as web:
        table = {"product_id": ["a", "b", "c"], "title": ["A", "B", "C"], "image": [web.url(f"/{n}") for n in range(3)]}
        pq.write_table(pa.table(table), shop)
        yield shop, answers, web


def test_what_failed_is_tried_again_only_when_asked(
    bundle: Path, web_shop: tuple[Path, dict[str, Any], Any], tmp_path: Path
) -> None:
    shop, answers, web = web_shop
    options = EncodingOptions(ALLOWED)
    first = embed_shop(bundle, shop, tmp_path, options)
    assert [(entry.product_id, entry.reason) for entry in first.products.failures] == [("b", "status-404")]
    without_photo = np.array(first.products.vectors[1])
    answers["/1"] = page(content=(shop.parent / "images" / "1.png").read_bytes())
    again = embed_shop(bundle, shop, tmp_path, options)
    assert again.encoded == 0 and sum(web.asked.values()) == 3
    assert [entry.reason for entry in again.products.failures] == ["status-404"]
    retried = embed_shop(bundle, shop, tmp_path, EncodingOptions(ALLOWED, retry_failed=True))
    assert retried.encoded == 1 and sum(web.asked.values()) == 4
    assert retried.products.failures == [] and retried.products.photos.usable == 3
    assert np.abs(retried.products.vectors[1] - without_photo).max() > 1e-3
    after = embed_shop(bundle, shop, tmp_path, EncodingOptions(ALLOWED, retry_failed=True))
    assert after.encoded == 0
    np.testing.assert_array_equal(after.products.vectors, retried.products.vectors)


def test_a_retry_that_fails_is_told_with_its_own_time(
    bundle: Path, web_shop: tuple[Path, dict[str, Any], Any], tmp_path: Path
) -> None:
    shop, answers, _ = web_shop
    (first,) = embed_shop(bundle, shop, tmp_path, EncodingOptions(ALLOWED)).products.failures
    answers["/1"] = page(403)
    (second,) = embed_shop(bundle, shop, tmp_path, EncodingOptions(ALLOWED, retry_failed=True)).products.failures
    assert (first.reason, second.reason) == ("status-404", "status-403")
    assert second.tried_at > first.tried_at
    assert datetime.datetime.now(datetime.UTC) - second.tried_at < datetime.timedelta(minutes=5)


def test_photos_on_the_web_are_fetched_again_when_asked(
    bundle: Path, web_shop: tuple[Path, dict[str, Any], Any], tmp_path: Path
) -> None:
    shop, answers, _ = web_shop
    before = np.array(embed_shop(bundle, shop, tmp_path, EncodingOptions(ALLOWED)).products.vectors)
    answers["/0"] = page(content=(shop.parent / "images" / "5.png").read_bytes())
    assert embed_shop(bundle, shop, tmp_path, EncodingOptions(ALLOWED)).encoded == 0
    again = embed_shop(bundle, shop, tmp_path, EncodingOptions(ALLOWED, refetch_photos=True))
    assert again.encoded == 3
    moved = np.abs(again.products.vectors - before).max(axis=1) > 1e-3
    assert moved.tolist() == [True, False, False]


def test_a_photo_that_cannot_be_fetched_again_stays_what_it_was(
    bundle: Path, web_shop: tuple[Path, dict[str, Any], Any], tmp_path: Path
) -> None:
    shop, answers, _ = web_shop
    before = embed_shop(bundle, shop, tmp_path, EncodingOptions(ALLOWED)).products
    vectors = np.array(before.vectors)
    answers["/0"] = page(404)
    again = embed_shop(bundle, shop, tmp_path, EncodingOptions(ALLOWED, refetch_photos=True))
    assert again.encoded == 3
    np.testing.assert_array_equal(again.products.vectors[0], vectors[0])
    # The photo of "c" was encoded once beside that of "a" and once alone, which may round otherwise.
    np.testing.assert_allclose(again.products.vectors[1:], vectors[1:], atol=1e-6)
    assert [failure.image for failure in again.products.failures] == [failure.image for failure in before.failures]


@pytest.mark.parametrize("rows", [0, -1, 1_000_001])
def test_shard_rows_out_of_range(rows: int) -> None:
    with pytest.raises(BuildError) as caught:
        EncodingOptions(shard_rows=rows)
    assert str(caught.value) == f"shard rows: expected 1 to 1,000,000, got {rows}"


def test_a_full_disk_is_an_error_and_no_crash(
    bundle: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="No space left") as caught:
        embed_shop(bundle, catalog, tmp_path)
    assert str(caught.value) == f"[Errno 28] No space left on device: '{tmp_path / VECTORS_FILE}'"


def test_zero_vectors_are_warned_of(
    text_bundle: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = tasks._encode

    def with_zeros(*inputs: Any) -> Any:
        shard = encode(*inputs)
        shard.vectors[[40, 200]] = 0
        return shard

    monkeypatch.setattr(tasks, "_encode", with_zeros)
    reported = embed_shop(text_bundle, catalog, tmp_path).reported
    named = read_catalog(catalog).product_ids[40]
    assert reported[-1] == f"2 products have a vector of zeros, which no query finds, such as {named}"


def test_what_failed_for_a_passing_reason_is_tried_again_by_itself(
    bundle: Path, web_shop: tuple[Path, dict[str, Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index_builder.photos.download.FIRST_PAUSE_S", 0.001)
    shop, answers, web = web_shop
    options = EncodingOptions(ALLOWED)
    answers["/0"] = page(503)
    first = embed_shop(bundle, shop, tmp_path, options)
    assert [entry.reason for entry in first.products.failures] == ["status-503", "status-404"]
    again = embed_shop(bundle, shop, tmp_path, options)
    assert (again.encoded, web.asked) == (1, {"/0": 8, "/1": 1, "/2": 1})
    answers["/0"] = page(content=(shop.parent / "images" / "0.png").read_bytes())
    answers["/1"] = page(content=(shop.parent / "images" / "1.png").read_bytes())
    mended = embed_shop(bundle, shop, tmp_path, options)
    assert [entry.reason for entry in mended.products.failures] == ["status-404"]
    assert (mended.encoded, web.asked) == (1, {"/0": 9, "/1": 1, "/2": 1})
    assert embed_shop(bundle, shop, tmp_path, options).encoded == 0


def test_trying_again_has_an_end(
    bundle: Path, web_shop: tuple[Path, dict[str, Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index_builder.photos.download.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("index_builder.embeddings.retries.MAX_NIGHTS", 1)
    shop, answers, web = web_shop
    answers["/0"] = page(503)
    for _ in range(3):
        embed_shop(bundle, shop, tmp_path, EncodingOptions(ALLOWED))
    assert web.asked["/0"] == 4
    assert embed_shop(bundle, shop, tmp_path, EncodingOptions(ALLOWED, retry_failed=True)).encoded == 2
