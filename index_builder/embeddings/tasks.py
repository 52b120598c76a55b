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
from artifacts.tower_specs import ClipImageTowerSpec, TowerName
from index_builder.core.errors import BuildError
from index_builder.core.keys import joined_keys, photos_identity, product_key
from index_builder.embeddings.job import Advance, EncodingJob
from index_builder.embeddings.shard import FAILURES, FAILURES_TYPE, PHOTO_COLUMNS, Shard, write_shard
from index_builder.photos.download import FetchedPhoto
from index_builder.photos.photo_feed import open_feed
from towers.encoding import Decoded, encode_decoded, photo_input
from towers.half_precision import convert_weights, half_precision_on
from towers.listed_photos import ListedPhotos
from towers.model import Side
from towers.photos import ABSENT, USABLE
from towers.query_encoder import Vectors
from towers.side_encoder import SideEncoder
from towers.storage import load_side
from towers.tokens import read_tokenizers


@dataclass(frozen=True, eq=False)
class _Task:
    number: int
    texts: list[str]
    photos: ListedPhotos


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
    read = (_read_task(job, number) for number in tasks)
    with _open_photos(job, encoder.side, read) as (to_encode, photos):
        for task in to_encode:
            shard = _encode(encoder, task, photos, advance, job.with_tower_vectors)
            _check_vectors(shard, task, job)
            write_shard(job.plan.shard_path(task.number), shard)
            yield task.number


def _read_task(job: EncodingJob, number: int) -> _Task:
    texts, photos = job.plan.products(number)
    return _Task(number, texts, ListedPhotos.of(photos))


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
        yield tasks, feed.photos(image for task in ahead for image in task.photos.images)


def _encode(
    encoder: SideEncoder, task: _Task, photos: Iterator[FetchedPhoto], advance: Advance, with_tower_vectors: bool
) -> Shard:
    """Return the shard of a task."""
    vectors: dict[TowerName, Vectors] = {}
    tried: list[FetchedPhoto] = []
    for tower in encoder.side.spec.towers:
        if isinstance(tower, ClipImageTowerSpec):
            vectors[tower.name] = _encode_photos(encoder.side, task.photos, _record_outcomes(photos, tried), advance)
        else:
            vectors[tower.name] = encoder.text_vectors(tower.name, task.texts)
    if not encoder.side.spec.reads_photos:
        tried = [FetchedPhoto(None, ABSENT, attempts=0)] * len(task.photos.images)
        advance(len(task.texts))
    by_product = [tried[places] for places in task.photos.slices()]
    identities = (photos_identity([photo.identity for photo in of_product]) for of_product in by_product)
    keys = joined_keys(product_key(text, photos) for text, photos in zip(task.texts, identities, strict=True))
    tower_vectors = np.hstack(list(vectors.values())).astype(np.float16) if with_tower_vectors else None
    return Shard(keys, encoder.fuse(vectors), _photo_table(task.photos, by_product), tower_vectors)


def _encode_photos(side: Side, listed: ListedPhotos, decoded: Iterator[Decoded], advance: Advance) -> Vectors:
    """Return the vectors of products by all their photos, and count products whose last photo is encoded."""
    ends = np.append(listed.starts[1:], len(listed.images))
    done = 0

    def advance_products(photos: int) -> None:
        nonlocal done
        before, done = done, done + photos
        advance(int(((ends > before) & (ends <= done)).sum()))

    encoded = encode_decoded(side, decoded, len(listed.images), advance_products)
    return listed.pooled(encoded.vectors, encoded.outcomes)


def _check_vectors(shard: Shard, task: _Task, job: EncodingJob) -> None:
    """Check that vectors are numbers, before the pool keeps them for every later build."""
    broken = np.flatnonzero(~np.isfinite(shard.vectors).all(axis=1))
    if len(broken):
        row = int(broken[0])
        photo = task.photos.images[int(task.photos.starts[row])]
        raise BuildError(
            f"{job.bundle}: the vector of the product with the text {task.texts[row]!r} and the photo "
            f"{photo!r} has NaN or infinity, as have {len(broken) - 1:,} others of {len(task.texts):,}. "
            "The model is at fault: fit it again, or, where a GPU encodes in half precision, try --encoding-device cpu"
        )


def _record_outcomes(photos: Iterator[FetchedPhoto], tried: list[FetchedPhoto]) -> Iterator[Decoded]:
    """Yield the photos, and append the outcome of each, without its pixels, to `tried`."""
    for photo in photos:
        tried.append(replace(photo, pixels=None))
        yield photo.pixels, photo.outcome


def _photo_table(listed: ListedPhotos, by_product: Sequence[Sequence[FetchedPhoto]]) -> pa.Table:
    """Return the outcomes of photos. A missing file counts as absent, so that the next build looks for it again.

    A product of several photos is usable if one of them is, and those that are not are listed.
    """
    outcomes, failures = list[FetchedPhoto](), list[list[dict[str, object]] | None]()
    for places, photos in zip(listed.slices(), by_product, strict=True):
        named = zip(listed.images[places], photos, strict=True)
        failed = [(image, photo) for image, photo in named if photo.identity and photo.outcome != USABLE]
        usable = [photo for photo in photos if photo.outcome == USABLE]
        outcomes.append(usable[0] if usable else failed[0][1] if failed else photos[0])
        recorded = [{"image": image, **_outcome(photo)} for image, photo in failed]
        failures.append(recorded if recorded and len(photos) > 1 else None)
    rows = [_outcome(photo) for photo in outcomes]
    table = pa.Table.from_pylist(rows, schema=pa.schema(PHOTO_COLUMNS))
    if not any(failures):
        return table
    return table.append_column(FAILURES, pa.array(failures, FAILURES_TYPE))


def _outcome(photo: FetchedPhoto) -> dict[str, object]:
    outcome = photo.outcome if photo.identity else ABSENT
    return {"outcome": outcome, "attempts": photo.attempts, "tried_at": photo.tried_at}
