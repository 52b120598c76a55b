"""Identifies photos, so that a build sees which are still those that were encoded.

A photo in a file is identified by its content. Reading all files of a shop every night takes too long, so the SHA-256
of each is cached with the state of its file, as git does: a file of the same size and times is not read again. A photo
behind a URL is identified by the URL.
"""

import hashlib
import os
import stat
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artifacts.checksummed_file import read_checksummed, write_checksummed
from index_builder.core.keys import (
    KEY_BYTES,
    NO_PHOTO,
    KeyIndex,
    Keys,
    content_identity,
    joined_keys,
    photos_identity,
    url_identity,
)
from index_builder.photos.last_resort import unexpected_reason
from towers.errors import PhotoError
from towers.listed_photos import ListedPhotos
from towers.photos import ABSENT, is_url, photo_path

_SHA256_BYTES = 32
# A file that was written less than this before it was read may be written again without a new time, since file times
# have a coarse resolution.
_MIN_FILE_AGE_NS = 2_000_000_000
_FILES_TRIED = 64  # read by one thread, to see whether it mostly waits
_READERS = 16  # threads, where it does
_FILES_BETWEEN_WRITES = 65_536  # files read between two writes of the cache


@dataclass(frozen=True)
class PhotoIdentity:
    """The identity of a product's photo, known before the photo is decoded.

    Attributes:
        content: identity that goes into the product key; NO_PHOTO where there is no photo.
        reason: ABSENT where the catalogue names no photo, the reason of a PhotoError where it cannot be read, or None.
    """

    content: bytes
    reason: str | None = None


@dataclass(frozen=True)
class ProductPhotos:
    """The identity of all photos of a product, known before they are decoded.

    Attributes:
        content: identity that goes into the product key.
        refused: the photos that cannot be read or requested at all, each with its reason.
    """

    content: bytes = NO_PHOTO
    refused: tuple[tuple[str, str], ...] = ()


def identity_of_file(folder: Path, image: str) -> bytes:
    """Read a photo file and return its identity.

    Raises:
        PhotoError: the file is missing, lies outside of the folder or cannot be read; see `photo_path`.
    """
    path = photo_path(folder, image)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for a writer
            raise PhotoError("unreadable", f"{path} is no file")
        with path.open("rb") as file:
            return content_identity(hashlib.file_digest(file, "sha256").digest())
    except FileNotFoundError as error:
        raise PhotoError("missing", f"{path} is missing") from error
    except (OSError, ValueError) as error:  # no permission, a name too long, links that go in a circle
        raise PhotoError("unreadable", f"{path} cannot be read: {error}") from error


class PhotoIdentities:
    """Identifies the photos of a catalogue, and caches the identities of files between builds.

    Args:
        folder: folder that image paths are relative to, and must not leave.
        cache: file of the cache; None to read every file and cache nothing.
    """

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        self._folder = folder
        self._path = cache
        self._known = _CachedIdentities(read_checksummed(cache) or b"" if cache else b"")
        self._known_index = KeyIndex(self._known.states)
        self._seen = bytearray()  # entries of the files of this build, as the cache has them
        self._unsaved = 0

    def of(self, images: Sequence[str | None]) -> list[PhotoIdentity]:
        """Return the identities of these image entries of the catalogue."""
        identities = [_without_file(image) for image in images]
        files = [row for row, identity in enumerate(identities) if identity is None]
        for row, identity in zip(files, self._of_files([images[row] or "" for row in files]), strict=True):
            identities[row] = identity
        if self._unsaved >= _FILES_BETWEEN_WRITES:
            self._write(self._known.entries + self._seen)
        return [identity for identity in identities if identity is not None]

    def of_products(self, photos: Sequence[Sequence[str]]) -> list[ProductPhotos]:
        """Return the identities of products by their photos, which are image entries of the catalogue."""
        listed = ListedPhotos.of(photos)
        identities = self.of(listed.images)
        return [
            ProductPhotos(
                photos_identity([identity.content for identity in identities[places]]),
                tuple(
                    (image, identity.reason)
                    for image, identity in zip(listed.images[places], identities[places], strict=True)
                    if image and identity.reason not in (None, ABSENT)
                ),
            )
            for places in listed.slices()
        ]

    def save(self) -> None:
        """Write the cache with the files of this build; those that left the catalogue are dropped."""
        if self._unsaved or len(self._seen) != len(self._known.entries):
            self._write(self._seen)

    def _of_files(self, images: Sequence[str]) -> list[PhotoIdentity]:
        states = [_state(self._folder, image) for image in images]
        rows = self._known_index.find(joined_keys(state or bytes(KEY_BYTES) for state in states))
        contents = [self._known.content(row) if row >= 0 else None for row in rows.tolist()]
        unknown = [number for number, content in enumerate(contents) if content is None]
        read = _read_identities(self._folder, [images[number] for number in unknown])
        found = dict(zip(unknown, read, strict=True))
        identities = []
        for number, (state, content) in enumerate(zip(states, contents, strict=True)):
            identity = PhotoIdentity(content_identity(content)) if content else found[number]
            identities.append(identity)
            if state and identity.content:
                self._seen += state + identity.content[-_SHA256_BYTES:]
                self._unsaved += content is None
        return identities

    def _write(self, entries: bytes | bytearray) -> None:
        if self._path:
            write_checksummed(self._path, bytes(entries))
        self._unsaved = 0


@dataclass(frozen=True, eq=False)
class _CachedIdentities:
    """The entries of the cache: the state of each file, followed by the SHA-256 of its content."""

    entries: bytes

    @property
    def states(self) -> Keys:
        """States of the files. Shape (n, 2)."""
        rows = np.frombuffer(self.entries, np.uint8).reshape(-1, KEY_BYTES + _SHA256_BYTES)
        return np.ascontiguousarray(rows[:, :KEY_BYTES]).view("<u8")

    def content(self, row: int) -> bytes:
        """Return the SHA-256 of the file of an entry."""
        end = (row + 1) * (KEY_BYTES + _SHA256_BYTES)
        return self.entries[end - _SHA256_BYTES : end]


def _without_file(image: str | None) -> PhotoIdentity | None:
    """Return the identity of a photo that is not in a file; None for one in a file."""
    if not image:
        return PhotoIdentity(NO_PHOTO, ABSENT)
    return PhotoIdentity(url_identity(image)) if is_url(image) else None


def _state(folder: Path, image: str) -> bytes | None:
    """Return a digest of path, size and times of a file; None where it is missing or was written just now."""
    try:
        found = os.stat(f"{folder}/{image}")
    except (OSError, ValueError):
        return None
    written_ns = max(found.st_mtime_ns, found.st_ctime_ns)
    if written_ns > time.time_ns() - _MIN_FILE_AGE_NS:
        return None
    state = f"{image}\0{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
    return hashlib.blake2b(state.encode(), digest_size=KEY_BYTES).digest()


def _read_identities(folder: Path, images: Sequence[str]) -> list[PhotoIdentity]:
    """Read files: with several threads where one waits most of the time, for a network or a slow disk.

    Otherwise threads would only wait for each other, several times as long as it takes to read a small file.
    """
    begin, busy_before = time.perf_counter(), time.thread_time()
    found = [_read_identity(folder, image) for image in images[:_FILES_TRIED]]
    busy_s, elapsed_s = time.thread_time() - busy_before, time.perf_counter() - begin
    rest = images[_FILES_TRIED:]
    if busy_s > elapsed_s / 2:
        return [*found, *(_read_identity(folder, image) for image in rest)]
    with ThreadPoolExecutor(_READERS, thread_name_prefix="photos") as pool:
        return [*found, *pool.map(lambda image: _read_identity(folder, image), rest)]


def _read_identity(folder: Path, image: str) -> PhotoIdentity:
    try:
        return PhotoIdentity(identity_of_file(folder, image))
    except PhotoError as error:
        return PhotoIdentity(NO_PHOTO, error.reason)
    except Exception as error:
        return PhotoIdentity(NO_PHOTO, unexpected_reason(image, error))
