"""Product photos as pages show them: resized, kept in bounded memory, and never from outside of one folder.

They are resized on threads of their own, which step back for searches.
"""

import asyncio
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from service.core.bounded_cache import BoundedCache
from service.core.errors import NoPhotoError, OverloadedError
from service.core.threads import lower_thread_priority
from towers.errors import PhotoError

EDGES = {"small": 400, "large": 1000}  # px, the longest edge; the grid shows photos at up to 200 CSS px
_QUALITY = 80  # WebP
_THREADS = 2
_MOST_WAITING = 256  # five pages of hits
_MAX_PIXELS = 40_000_000  # decoded 160 MB, on each thread
_NICENESS = 10


@dataclass(frozen=True)
class Picture:
    """A resized photo.

    Attributes:
        content: WebP.
        tag: Changes with the content.
    """

    content: bytes
    tag: str


_State = tuple[int, int]  # of a file: when it was written, and its size
_Kept = tuple[_State, Picture]


class Photos:
    """Resizes photos and remembers the ones used latest. `picture` is called on the event loop.

    Args:
        folder: What the catalogue's image paths are relative to, and must not leave; None shows no photo.
        cache_bytes: Of resized photos that are kept.
    """

    def __init__(self, folder: Path | None, cache_bytes: int) -> None:
        self._folder = folder.resolve() if folder else None
        self._kept: BoundedCache[tuple[str, int], _Kept] = BoundedCache(cache_bytes, _size)
        self._lock = threading.Lock()  # of what is kept
        self._pool = ThreadPoolExecutor(
            _THREADS, thread_name_prefix="vitrine-photos", initializer=partial(lower_thread_priority, _NICENESS)
        )
        self._waiting = 0

    @property
    def are_shown(self) -> bool:
        """Whether there is a folder of photos."""
        return self._folder is not None

    async def picture(self, image: str | None, edge: int) -> Picture:
        """A product's photo.

        Args:
            image: The catalogue's entry.
            edge: The longest, in pixels.

        Raises:
            NoPhotoError: There is none, it is on the web (which is never asked), or it cannot be read.
            OverloadedError: Too many are waited for.
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
        """Begin no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _make(self, folder: Path, image: str, edge: int) -> Picture:
        from towers.thumbnails import thumbnail  # loads Pillow, which a service without photos can do without

        try:
            path = _path_inside(folder, image)
            status = path.stat()
            state = (status.st_mtime_ns, status.st_size)
            kept = self._look_up(image, edge, state)
            if kept:
                return kept
            content = thumbnail(path, edge, _QUALITY, _MAX_PIXELS)
        except PhotoError as error:
            raise NoPhotoError(f"the product's photo cannot be shown: {error.reason}") from error
        except OSError as error:
            raise NoPhotoError(f"the product's photo cannot be read: {error.strerror}") from error
        picture = Picture(content, hashlib.sha256(content).hexdigest()[:32])
        self._keep(image, edge, state, picture)
        return picture

    def _look_up(self, image: str, edge: int, state: _State) -> Picture | None:
        with self._lock:
            of_state, picture = self._kept.get((image, edge)) or (None, None)
        return picture if of_state == state else None

    def _keep(self, image: str, edge: int, state: _State, picture: Picture) -> None:
        with self._lock:
            self._kept.put((image, edge), (state, picture))


def _size(kept: _Kept) -> int:
    return len(kept[1].content)


def _path_inside(folder: Path, image: str) -> Path:
    """Where a photo lies, links followed.

    Raises:
        PhotoError: It is no path, leaves the folder, or nothing is there.
    """
    from towers.photos import photo_path

    path = photo_path(folder, image)
    try:
        # photo_path remembers where folders lead, for a program that ends; this one runs on while they change.
        resolved = path.resolve(strict=True)
    except FileNotFoundError as error:
        raise PhotoError("missing", f"{path} is missing") from error
    if not resolved.is_relative_to(folder):
        raise PhotoError("outside", f"{image} lies outside of {folder}")
    return resolved
