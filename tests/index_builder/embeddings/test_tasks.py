"""Tasks to shards: by whoever has the job, in any order, with the same result."""

import copy
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from artifacts.catalog import read_catalog
from index_builder.core.errors import BuildError
from index_builder.core.keys import product_key
from index_builder.embeddings import tasks
from index_builder.embeddings.job import EncodingJob
from index_builder.embeddings.plan import Plan, write_plan
from index_builder.embeddings.shard import Shard, read_shard
from index_builder.embeddings.tasks import encode_tasks, load_encoder
from index_builder.photos import photo_feed
from index_builder.photos.download import DownloadSettings
from index_builder.photos.photo_identity import identity_of_file
from tests.index_builder.embedding import as_planned
from towers.half_precision import convert_weights
from towers.side_encoder import SideEncoder

ROWS, SHARD_ROWS = 60, 25


def a_job(bundle: Path, catalog: Path, pool: Path) -> EncodingJob:
    """The catalogue's first products in three tasks."""
    products = pq.read_table(catalog, columns=["title", "image"]).slice(0, ROWS)
    plan = write_plan(pool / "x.plan", "a test", as_planned(products.to_batches()), SHARD_ROWS)
    return EncodingJob(bundle, catalog.parent, plan, DownloadSettings())


def shards_of(plan: Plan, width: int = 56) -> list[Shard]:
    shards = [read_shard(plan.shard_path(task), width) for task in plan.tasks]
    return [shard for shard in shards if shard is not None]


def test_shards_have_vectors_keys_and_what_became_of_photos(
    bundle: Path, catalog: Path, slow_vectors: np.ndarray, tmp_path: Path
) -> None:
    job, encoded = a_job(bundle, catalog, tmp_path), list[int]()
    assert list(encode_tasks(job, load_encoder(job, "cpu"), job.plan.tasks, encoded.append)) == [0, 1, 2]
    assert sum(encoded) == ROWS
    shards = shards_of(job.plan)
    assert [len(shard.keys) for shard in shards] == [25, 25, 10]
    np.testing.assert_allclose(np.concatenate([shard.vectors for shard in shards]), slow_vectors[:ROWS], atol=2e-6)
    photos = pa.concat_tables([shard.photos for shard in shards])
    # A photo that is not there is as good as absent: whoever plans looks for it.
    others = {3: "absent", 5: "unreadable", 7: "absent", 9: "absent", 11: "absent", 13: "address-refused"}
    assert photos["outcome"].to_pylist() == [others.get(row, "usable") for row in range(ROWS)]
    products = read_catalog(catalog)
    keys = np.concatenate([shard.keys for shard in shards])
    for row in (0, 5, 40):
        photo = identity_of_file(catalog.parent, str(products.images[row]))
        assert keys[row].tobytes() == product_key(products.titles[row], photo)
    for row in (3, 7, 9, 11):
        assert keys[row].tobytes() == product_key(products.titles[row], b"")


def test_a_job_travels_and_its_tasks_are_done_in_any_order(bundle: Path, catalog: Path, tmp_path: Path) -> None:
    job = a_job(bundle, catalog, tmp_path / "one")
    list(encode_tasks(job, load_encoder(job, "cpu"), job.plan.tasks))
    other = a_job(bundle, catalog, tmp_path / "other")
    travelled = copy.deepcopy(other)  # by the protocol that pickling has as well
    assert travelled == other
    encoder = load_encoder(travelled, "cpu")
    for task in (2, 0, 1, 0):
        assert list(encode_tasks(travelled, encoder, [task])) == [task]
    for one, two in zip(shards_of(job.plan), shards_of(other.plan), strict=True):
        np.testing.assert_array_equal(one.vectors, two.vectors)
        np.testing.assert_array_equal(one.keys, two.keys)


def test_photos_are_decoded_ahead_across_the_border_of_tasks(
    bundle: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first task is encoded, all photos of the second are decoded."""
    job, decoded, seen = a_job(bundle, catalog, tmp_path), threading.Semaphore(0), list[bool]()
    decode, encode = photo_feed.decode_photo, tasks._encode

    def note_photo(*arguments: Any) -> Any:
        decoded.release()
        return decode(*arguments)

    def wait_for_photos(encoder: Any, task: Any, photos: Any, *rest: Any) -> Any:
        first = next(photos)
        # Those of two tasks, but for three that are not there: 3, 7 (not to be had), and 13 (on the web).
        seen.append(all(decoded.acquire(timeout=60) for _ in range(47)) if not seen else True)
        return encode(encoder, task, iter([first, *(next(photos) for _ in task.texts[1:])]), *rest)

    monkeypatch.setattr(photo_feed, "decode_photo", note_photo)
    monkeypatch.setattr(tasks, "_encode", wait_for_photos)
    assert list(encode_tasks(job, load_encoder(job, "cpu"), [0, 1])) == [0, 1]
    assert seen == [True, True]


def test_a_model_of_titles_reads_no_photos(
    text_bundle: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "open_feed", lambda *inputs: pytest.fail("opened a feed"))
    job = a_job(text_bundle, catalog, tmp_path)
    assert list(encode_tasks(job, load_encoder(job, "cpu"), job.plan.tasks)) == [0, 1, 2]
    shards = shards_of(job.plan, 32)
    assert {outcome for shard in shards for outcome in shard.photos["outcome"].to_pylist()} == {"absent"}
    titles = read_catalog(catalog).titles
    assert shards[0].keys[4].tobytes() == product_key(titles[4], b"")


def test_half_precision_as_on_a_gpu_costs_little(bundle: Path, catalog: Path, tmp_path: Path) -> None:
    """With the CPU standing in for the GPU; the tolerance is the one that docs/index-builder.md states."""
    exact, half = a_job(bundle, catalog, tmp_path / "exact"), a_job(bundle, catalog, tmp_path / "half")
    list(encode_tasks(exact, load_encoder(exact, "cpu"), exact.plan.tasks))
    encoder = load_encoder(half, "cpu")
    convert_weights(encoder.side, torch.float16)
    list(encode_tasks(half, encoder, half.plan.tasks))
    for one, other in zip(shards_of(exact.plan), shards_of(half.plan), strict=True):
        assert (one.vectors * other.vectors).sum(axis=1).min() > 0.9999
        assert not np.array_equal(one.vectors, other.vectors)
        np.testing.assert_array_equal(one.keys, other.keys)


def test_vectors_that_are_no_numbers_are_not_kept(
    text_bundle: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The product is named, its shard is not written, and nothing is left that would stop the next build."""
    job = a_job(text_bundle, catalog, tmp_path)
    encoder, products = load_encoder(job, "cpu"), read_catalog(catalog)
    fuse = SideEncoder.fuse

    def overflow(encoder: SideEncoder, vectors: Any) -> Any:
        fused = fuse(encoder, vectors)
        fused[[4, 9], 3] = np.nan
        return fused

    with monkeypatch.context() as patch:
        patch.setattr(SideEncoder, "fuse", overflow)
        with pytest.raises(BuildError) as caught:
            list(encode_tasks(job, encoder, job.plan.tasks))
    assert str(caught.value) == (
        f"{text_bundle}: the vector of the product with the text {products.titles[4]!r} and the photo "
        f"{products.images[4]!r} has NaN or infinity, as have 1 others of 25. The model is at fault: fit it again, or, "
        "where a GPU encodes in half precision, try --encoding-device cpu"
    )
    assert job.plan.unfinished == [0, 1, 2]
    assert list(encode_tasks(job, encoder, job.plan.tasks)) == [0, 1, 2]
