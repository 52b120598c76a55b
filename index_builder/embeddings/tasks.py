"""Encodes the tasks of a plan into shards, on any machine that takes part in a build.

A process that has an `EncodingJob` and the same file system can encode any task, in any order and more than once: a
shard is written wholly or not at all, and its path depends on the task alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import tee

import numpy as np
import pyarrow as pa
import torch

from artifacts.bundle import open_bundle
from artifacts.side import ClipImageTowerSpec, TowerName
from index_builder.core.errors import BuildError
from index_builder.core.keys import joined_keys, product_key
from index_builder.embeddings.job import Advance, EncodingJob
from index_builder.embeddings.shard import PHOTO_COLUMNS, Shard, write_shard
from index_builder.photos.download import FetchedPhoto
from index_builder.photos.photo_feed import open_feed
from towers.encoding import Decoded, encode_decoded, photo_input
from towers.half_precision import convert_weights, half_precision_on
from towers.model import Side
from towers.photos import ABSENT
from towers.query_encoder import Vectors
from towers.side_encoder import SideEncoder
from towers.storage import load_side
from towers.tokens import read_tokenizers


@dataclass(frozen=True, eq=False)
class _Task:
    number: int
    texts: list[str]
    images: list[str | None]


def load_encoder(job: EncodingJob, device: str) -> SideEncoder:
    """Load the product side of a job's model onto a device: in half precision on a GPU, in float32 on a CPU.

    Args:
        job: what will be encoded.
        device: the device, as PyTorch names it.

    Raises:
        DamagedError: the bundle is damaged.
    """
    bundle = open_bundle(job.bundle)
    side = load_side(bundle.product_folder)
    convert_weights(side, half_precision_on(torch.device(device)))
    return SideEncoder(side.to(device), read_tokenizers(bundle.product_folder, bundle.product))


def encode_tasks(
    job: EncodingJob, encoder: SideEncoder, tasks: Iterable[int], advance: Advance = lambda products: None
) -> Iterator[int]:
    """Encode tasks one after the other; yield the number of each task whose shard is written.

    Photos are downloaded and decoded ahead of encoding, also those of the next task. A photo that cannot be used stops
    nothing: its product is encoded from its text.

    Args:
        job: what to encode.
        encoder: encoder of the job's model; see `load_encoder`.
        tasks: numbers of the tasks.
        advance: receives the number of products just encoded.

    Raises:
        BuildError: the plan is damaged, or a vector is not finite; its shard is not written.
    """
    read = (_Task(number, *job.plan.products(number)) for number in tasks)
    with _open_photos(job, encoder.side, read) as (to_encode, photos):
        for task in to_encode:
            shard = _encode(encoder, task, photos, advance, job.with_tower_vectors)
            _check_vectors(shard, task, job)
            write_shard(job.plan.shard_path(task.number), shard)
            yield task.number


@contextmanager
def _open_photos(
    job: EncodingJob, side: Side, tasks: Iterator[_Task]
) -> Iterator[tuple[Iterator[_Task], Iterator[FetchedPhoto]]]:
    """Yield the tasks, and the photos of all of them in one stream; no photos where no tower reads them."""
    if not side.spec.reads_photos:
        yield tasks, iter(())
        return
    with open_feed(job.photos, photo_input(side), job.downloads) as feed:
        tasks, ahead = tee(tasks)  # keeps the tasks whose photos the feed reads ahead of encoding
        yield tasks, feed.photos(image for task in ahead for image in task.images)


def _encode(
    encoder: SideEncoder, task: _Task, photos: Iterator[FetchedPhoto], advance: Advance, with_tower_vectors: bool
) -> Shard:
    """Return the shard of a task."""
    vectors: dict[TowerName, Vectors] = {}
    tried: list[FetchedPhoto] = []
    for tower in encoder.side.spec.towers:
        if isinstance(tower, ClipImageTowerSpec):
            decoded = _record_outcomes(photos, tried)
            vectors[tower.name] = encode_decoded(encoder.side, decoded, len(task.texts), advance).vectors
        else:
            vectors[tower.name] = encoder.text_vectors(tower.name, task.texts)
    if not encoder.side.spec.reads_photos:
        tried = [FetchedPhoto(None, ABSENT, attempts=0)] * len(task.texts)
        advance(len(task.texts))
    keys = joined_keys(product_key(text, photo.identity) for text, photo in zip(task.texts, tried, strict=True))
    tower_vectors = np.hstack(list(vectors.values())).astype(np.float16) if with_tower_vectors else None
    return Shard(keys, encoder.fuse(vectors), _photo_table(tried), tower_vectors)


def _check_vectors(shard: Shard, task: _Task, job: EncodingJob) -> None:
    """Check that vectors are numbers, before the pool keeps them for every later build."""
    broken = np.flatnonzero(~np.isfinite(shard.vectors).all(axis=1))
    if len(broken):
        row = int(broken[0])
        raise BuildError(
            f"{job.bundle}: the vector of the product with the text {task.texts[row]!r} and the photo "
            f"{task.images[row]!r} has NaN or infinity, as have {len(broken) - 1:,} others of {len(task.texts):,}. "
            "The model is at fault: fit it again, or, where a GPU encodes in half precision, try --encoding-device cpu"
        )


def _record_outcomes(photos: Iterator[FetchedPhoto], tried: list[FetchedPhoto]) -> Iterator[Decoded]:
    """Yield the photos, and append the outcome of each, without its pixels, to `tried`."""
    for photo in photos:
        tried.append(replace(photo, pixels=None))
        yield photo.pixels, photo.outcome


def _photo_table(tried: Sequence[FetchedPhoto]) -> pa.Table:
    """Return the outcomes of photos. A missing file counts as absent, so that the next build looks for it again."""
    outcomes = [photo.outcome if photo.identity else ABSENT for photo in tried]
    columns = [outcomes, [photo.attempts for photo in tried], [photo.tried_at for photo in tried]]
    return pa.Table.from_arrays(
        [pa.array(column, kind) for column, kind in zip(columns, PHOTO_COLUMNS.values(), strict=True)],
        names=list(PHOTO_COLUMNS),
    )
