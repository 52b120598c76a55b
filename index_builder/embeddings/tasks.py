"""The tasks of a plan to shards: all that a machine does which takes part in a build.

An `EncodingJob` is plain data. Whoever has it and the same file system can do any task, in any order and more than
once: a shard is written wholly or not at all, and where it lies depends on the task alone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import tee
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from artifacts.bundle import open_bundle
from artifacts.side import ClipImageTowerSpec, TowerName
from index_builder.core.keys import joined_keys, product_key
from index_builder.embeddings.plan import Plan
from index_builder.embeddings.shard import PHOTO_COLUMNS, Shard, write_shard
from index_builder.photos.download import DownloadSettings, FetchedPhoto
from index_builder.photos.photo_feed import open_feed
from towers.encoding import Decoded, encode_decoded, photo_input
from towers.model import Side
from towers.photos import ABSENT
from towers.query_encoder import Vectors
from towers.side_encoder import SideEncoder
from towers.storage import load_side
from towers.tokens import read_tokenizers

Advance = Callable[[int], None]  # told how many more products are encoded


@dataclass(frozen=True)
class EncodingJob:
    """What to encode and with what.

    Attributes:
        bundle: folder of the model bundle.
        photos: the folder that paths of photos are relative to.
        plan: the tasks; their shards go beside it.
        downloads: how photos by URL are had.
        with_tower_vectors: whether the shards have the towers' own vectors too.
    """

    bundle: Path
    photos: Path
    plan: Plan
    downloads: DownloadSettings
    with_tower_vectors: bool = False


Engine = Callable[[EncodingJob, Sequence[int], Advance], None]  # does tasks of a job


@dataclass(frozen=True, eq=False)
class _Task:
    number: int
    titles: list[str]
    images: list[str | None]


def load_encoder(job: EncodingJob) -> SideEncoder:
    """The product side of a job's model, on a GPU where there is one.

    Raises:
        DamagedError: the bundle is damaged.
    """
    bundle = open_bundle(job.bundle)
    side = load_side(bundle.product_folder).to("cuda" if torch.cuda.is_available() else "cpu")
    return SideEncoder(side, read_tokenizers(bundle.product_folder, bundle.product))


def encode_tasks(
    job: EncodingJob, encoder: SideEncoder, tasks: Iterable[int], advance: Advance = lambda products: None
) -> Iterator[int]:
    """Encode tasks one after the other; yields the number of each whose shard is written.

    Photos are downloaded and decoded ahead of what is encoded, across the border to the next task. One that cannot be
    used never stops the others: its product enters by its title.

    Args:
        job: what to encode.
        encoder: see `load_encoder`.
        tasks: their numbers.
        advance: told of encoded products.

    Raises:
        BuildError: the plan is damaged.
    """
    read = (_Task(number, *job.plan.products(number)) for number in tasks)
    with _open_photos(job, encoder.side, read) as (to_encode, photos):
        for task in to_encode:
            shard = _encode(encoder, task, photos, advance, job.with_tower_vectors)
            write_shard(job.plan.shard_path(task.number), shard)
            yield task.number


@contextmanager
def _open_photos(
    job: EncodingJob, side: Side, tasks: Iterator[_Task]
) -> Iterator[tuple[Iterator[_Task], Iterator[FetchedPhoto]]]:
    """The tasks, and the photos of all of them in one stream; no photos where no tower reads them."""
    if not side.spec.reads_photos:
        yield tasks, iter(())
        return
    with open_feed(job.photos, photo_input(side), job.downloads) as feed:
        tasks, ahead = tee(tasks)  # which keeps those that the feed has seen and nobody has encoded yet
        yield tasks, feed.photos(image for task in ahead for image in task.images)


def _encode(
    encoder: SideEncoder, task: _Task, photos: Iterator[FetchedPhoto], advance: Advance, with_tower_vectors: bool
) -> Shard:
    """The shard of a task."""
    vectors: dict[TowerName, Vectors] = {}
    tried: list[FetchedPhoto] = []
    for tower in encoder.side.spec.towers:
        if isinstance(tower, ClipImageTowerSpec):
            noted = _noting(photos, tried)
            vectors[tower.name] = encode_decoded(encoder.side, noted, len(task.titles), advance).vectors
        else:
            vectors[tower.name] = encoder.text_vectors(tower.name, task.titles)
    if not encoder.side.spec.reads_photos:
        tried = [FetchedPhoto(None, ABSENT, attempts=0)] * len(task.titles)
        advance(len(task.titles))
    keys = joined_keys(product_key(title, photo.identity) for title, photo in zip(task.titles, tried, strict=True))
    towers = np.hstack(list(vectors.values())).astype(np.float16) if with_tower_vectors else None
    return Shard(keys, encoder.fuse(vectors), _photo_table(tried), towers)


def _noting(photos: Iterator[FetchedPhoto], tried: list[FetchedPhoto]) -> Iterator[Decoded]:
    """Pass photos on to the encoder, and note what became of each; their pixels are not kept."""
    for photo in photos:
        tried.append(replace(photo, pixels=None))
        yield photo.pixels, photo.outcome


def _photo_table(tried: Sequence[FetchedPhoto]) -> pa.Table:
    """What became of the photos. One that was not there is as good as absent: the next build looks for it again."""
    outcomes = [photo.outcome if photo.identity else ABSENT for photo in tried]
    columns = [outcomes, [photo.attempts for photo in tried], [photo.tried_at for photo in tried]]
    return pa.Table.from_arrays(
        [pa.array(column, kind) for column, kind in zip(columns, PHOTO_COLUMNS.values(), strict=True)],
        names=list(PHOTO_COLUMNS),
    )
