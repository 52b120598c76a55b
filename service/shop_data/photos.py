"""Thumbnails of product photos: made by processes of low priority, cached in bounded memory, read from one folder."""

import asyncio
import hashlib
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from service.core.bounded_cache import BoundedCache
from service.core.errors import NoPhotoError, OverloadedError
from service.core.threads import lower_thread_priority
from service.photo_decoding.photo_decoder import PhotoDecoder
from towers.errors import PhotoError

EDGES = {"small": 400, "large": 1000}  # px, the longest edge; the grid shows photos at up to 200 CSS px
_QUALITY = 80  # WebP
_THREADS = 2  # each with a process that decodes
_MOST_WAITING = 256  # five pages of hits
_NICENESS = 10


@dataclass(frozen=True)
class Picture:
    """A resized photo.

    Attributes:
        content: The photo as a WebP file.
        tag: A hash of the content, for the header ETag.
    """

    content: bytes
    tag: str


_FileState = tuple[int, int]  # modification time in ns, size in bytes
_Cached = tuple[_FileState, Picture]


class Photos:
    """Resizes photos and caches the most recently used ones. `picture` is called on the event loop.

    Args:
        folder: The folder that image paths of the catalogue are relative to and must not leave; None shows no photos.
        cache_bytes: The maximum size of the cache.
    """

    def __init__(self, folder: Path | None, cache_bytes: int) -> None:
        self._folder = folder.resolve() if folder else None
        self._cache: BoundedCache[tuple[str, int], _Cached] = BoundedCache(cache_bytes, _size)
        self._lock = threading.Lock()  # for the cache
        self._pool = ThreadPoolExecutor(
            _THREADS, thread_name_prefix="vitrine-photos", initializer=partial(lower_thread_priority, _NICENESS)
        )
        self._decoders = [PhotoDecoder() for _ in range(_THREADS)]
        self._idle: SimpleQueue[PhotoDecoder] = SimpleQueue()
        for decoder in self._decoders:
            self._idle.put(decoder)
        self._waiting = 0

    @property
    def are_shown(self) -> bool:
        """Whether the service shows photos."""
        return self._folder is not None

    async def picture(self, image: str | None, edge: int) -> Picture:
        """Return the photo of a product.

        Args:
            image: The image entry in the catalogue; None if it has none.
            edge: The length of the longest edge, in pixels.

        Raises:
            NoPhotoError: The product has no photo, it is given by URL (URLs are never fetched), or it cannot be read.
            OverloadedError: Too many photos are being waited for.
        """
        if self._folder is None:
            raise NoPhotoError("this service shows no photos; VITRINE_PHOTOS names their folder")
        if image is None:
            raise NoPhotoError("the catalogue names no photo of the product")
        if self._waiting >= _MOST_WAITING:
            raise OverloadedError(f"{self._waiting} photos are waited for already; try again in a moment")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._make, self._folder, image, edge)
        finally:
            self._waiting -= 1

    def stop(self) -> None:
        """Stop taking photos."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for decoder in self._decoders:
            decoder.stop()

    def _make(self, folder: Path, image: str, edge: int) -> Picture:
        try:
            path = _path_inside(folder, image)
            status = path.stat()
            state = (status.st_mtime_ns, status.st_size)
            cached = self._look_up(image, edge, state)
            if cached:
                return cached
            content = self._thumbnail(path, image, edge)
        except PhotoError as error:
            raise NoPhotoError(f"the product's photo cannot be shown: {error.reason}") from error
        except OSError as error:
            raise NoPhotoError(f"the product's photo cannot be read: {error.strerror}") from error
        picture = Picture(content, hashlib.sha256(content).hexdigest()[:32])
        self._store(image, edge, state, picture)
        return picture

    def _thumbnail(self, path: Path, image: str, edge: int) -> bytes:
        content = _read(path)
        decoder = self._idle.get()
        try:
            return decoder.thumbnail(content, image, edge, _QUALITY)
        finally:
            self._idle.put(decoder)

    def _look_up(self, image: str, edge: int, state: _FileState) -> Picture | None:
        with self._lock:
            cached_state, picture = self._cache.get((image, edge)) or (None, None)
        return picture if cached_state == state else None

    def _store(self, image: str, edge: int, state: _FileState, picture: Picture) -> None:
        with self._lock:
            self._cache.put((image, edge), (state, picture))


def _size(cached: _Cached) -> int:
    return len(cached[1].content)


def _read(path: Path) -> bytes:
    """Return the content of a photo's file.

    Raises:
        PhotoError: The path leads to no file, or the file is too long.
        OSError: The file cannot be read.
    """
    from towers.photos import MAX_PHOTO_BYTES  # loads Pillow, which a service without photos can do without

    if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would block until somebody writes to it
        raise PhotoError("unreadable", f"{path} is no file")
    with path.open("rb") as file:
        content = file.read(MAX_PHOTO_BYTES + 1)
    if len(content) > MAX_PHOTO_BYTES:
        raise PhotoError("too-large", f"{path} has more than {MAX_PHOTO_BYTES:,} bytes")
    return content


def _path_inside(folder: Path, image: str) -> Path:
    """Return the path of a photo with all links resolved.

    Raises:
        PhotoError: The entry is no path, leads out of the folder, or nothing is there.
    """
    from towers.photos import photo_path

    path = photo_path(folder, image)
    try:
        # photo_path caches where folders lead, but they may change while the service runs.
        resolved = path.resolve(strict=True)
    except FileNotFoundError as error:
        raise PhotoError("missing", f"{path} is missing") from error
    if not resolved.is_relative_to(folder):
        raise PhotoError("outside", f"{image} lies outside of {folder}")
    return resolved
