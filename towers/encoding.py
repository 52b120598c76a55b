"""Encoding of many texts or photos with one tower of a side.

All functions return unit vectors as float32 arrays of shape (n, d), with d the tower's width. A side whose weights were
converted to half precision computes in it (`towers.half_precision`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from artifacts.tower_specs import PhotoInput
from towers.clip_image import PhotoBatch
from towers.errors import PhotoError
from towers.half_precision import computing_with
from towers.listed_photos import ListedPhotos
from towers.model import Side
from towers.photos import ABSENT, USABLE, Pixels, load_photo, photo_path
from towers.pixels import normalise_photos
from towers.query_encoder import Vectors
from towers.tokens import TextTokenizer

TEXTS_PER_BATCH = 512
PHOTOS_PER_BATCH = 256

Progress = Callable[[int], None]  # called with the number of items done since the last call
Decoded = tuple[Pixels | None, str]  # pixels and outcome of one product's photo


@dataclass(frozen=True)
class EncodedPhotos:
    """Vectors of products' photos, and the outcome for each photo."""

    vectors: Vectors  # (n, d); products without a usable photo have the tower's `no_image` vector
    outcomes: list[str]  # USABLE, ABSENT, or a PhotoError's reason, one per product


def device_of(side: Side) -> torch.device:
    """Return the device of a side's weights."""
    return next((parameter.device for parameter in side.parameters()), torch.device("cpu"))


@torch.inference_mode()
def encode_texts(
    side: Side, tower: str, tokenizer: TextTokenizer, texts: Sequence[str], progress: Progress | None = None
) -> Vectors:
    """Encode texts with one tower, in the given order. Texts of similar length are encoded together."""
    width = next(spec.width for spec in side.spec.towers if spec.name == tower)
    vectors = np.empty((len(texts), width), dtype=np.float32)
    order = np.argsort([len(text) for text in texts], kind="stable")
    for start in range(0, len(texts), TEXTS_PER_BATCH):
        rows = order[start : start + TEXTS_PER_BATCH]
        ids = torch.from_numpy(tokenizer.encode([texts[row] for row in rows])).to(device_of(side))
        with computing_with(side):
            vectors[rows] = side.encode_tower(tower, ids).float().cpu().numpy()
        if progress:
            progress(len(rows))
    return vectors


def encode_photos(
    side: Side,
    folder: Path,
    images: Sequence[str | None],
    *,
    threads: int = 2,
    progress: Progress | None = None,
) -> EncodedPhotos:
    """Encode products' photos with the side's CLIP tower, in the given order.

    One batch is decoded in `threads` threads while the batch before is encoded. A photo that cannot be used does not
    stop the others: its product gets the `no_image` vector, and its outcome is the reason.

    Args:
        side: a product side with a CLIP tower.
        folder: the folder that image paths are relative to and must not leave.
        images: path, URL or None of each product.
        threads: number of threads that decode photos.
        progress: called after each batch.
    """
    batches = decode_batches(folder, images, photo_input(side), threads)
    return encode_decoded(side, (decoded for batch in batches for decoded in batch), len(images), progress)


@torch.inference_mode()
def encode_decoded(
    side: Side, photos: Iterable[Decoded], count: int, progress: Progress | None = None
) -> EncodedPhotos:
    """Encode decoded photos with the side's CLIP tower, in the given order.

    Args:
        side: a product side with a CLIP tower.
        photos: pixels or None, and outcome, of each product's photo; the first `count` are used.
        count: number of products.
        progress: called after each batch.
    """
    width = next(spec.width for spec in side.spec.towers if spec.name == "clip")
    vectors, outcomes = np.empty((count, width), dtype=np.float32), list[str]()
    photos = islice(photos, count)
    while batch := list(islice(photos, PHOTOS_PER_BATCH)):
        vectors[len(outcomes) : len(outcomes) + len(batch)] = _encode_batch(side, [pixels for pixels, _ in batch])
        outcomes += [outcome for _, outcome in batch]
        if progress:
            progress(len(batch))
    assert len(outcomes) == count
    return EncodedPhotos(vectors, outcomes)


def encode_product_photos(
    side: Side, folder: Path, photos: Sequence[Sequence[str]], *, threads: int = 2, progress: Progress | None = None
) -> EncodedPhotos:
    """Encode products by all their photos: the mean direction of those that can be used.

    Args:
        side: a product side with a CLIP tower.
        folder: the folder that image paths are relative to and must not leave.
        photos: paths or URLs of each product's photos.
        threads: number of threads that decode photos.
        progress: called after each batch with the number of photos, where a product without one counts as one.

    Returns:
        A vector and an outcome for each product: USABLE if one of its photos can be used, or that of the first photo.
    """
    listed = ListedPhotos.of(photos)
    encoded = encode_photos(side, folder, listed.images, threads=threads, progress=progress)
    return EncodedPhotos(listed.pooled(encoded.vectors, encoded.outcomes), listed.first_outcomes(encoded.outcomes))


def photo_input(side: Side) -> PhotoInput:
    """Return the size and normalisation of the photos that the side's CLIP tower reads."""
    spec = next(spec for spec in side.spec.towers if spec.name == "clip")
    photo: PhotoInput = spec.photo  # type: ignore[union-attr]
    return photo


def _encode_batch(side: Side, photos: Sequence[Pixels | None]) -> Vectors:
    """Encode a batch as unit vectors (n, d); products without pixels get the `no_image` vector."""
    photo, present = photo_input(side), torch.tensor([pixels is not None for pixels in photos])
    decoded = [pixels for pixels in photos if pixels is not None]
    stacked = np.stack(decoded) if decoded else np.empty((0, photo.height, photo.width, 3), np.uint8)
    pixels = normalise_photos(torch.from_numpy(stacked).to(device_of(side)), photo)
    with computing_with(side):
        encoded = side.encode_tower("clip", PhotoBatch(pixels, present.to(pixels.device)))
    vectors: Vectors = encoded.float().cpu().numpy()
    return vectors


def decode_batches(
    folder: Path, images: Sequence[str | None], photo: PhotoInput, threads: int
) -> Iterator[list[Decoded]]:
    """Decode photos in order, PHOTOS_PER_BATCH at a time, one batch ahead of the caller."""
    starts = range(0, len(images), PHOTOS_PER_BATCH)
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="photos") as pool:

        def submit(start: int) -> Iterator[Decoded]:
            chunk = images[start : start + PHOTOS_PER_BATCH]
            return pool.map(lambda image: decode_photo(folder, image, photo), chunk)

        pending = submit(0) if images else iter(())
        for start in starts:
            following = submit(start + PHOTOS_PER_BATCH)
            yield list(pending)
            pending = following


def decode_photo(folder: Path, image: str | None, photo: PhotoInput) -> Decoded:
    """Decode a product's photo: pixels and the outcome USABLE, or None and the reason why it cannot be used."""
    if image is None or not image:
        return None, ABSENT
    try:
        return load_photo(photo_path(folder, image), photo), USABLE
    except PhotoError as error:
        return None, error.reason
