"""Reads photos from files and URLs, and decodes them ahead of encoding."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

from artifacts.tower_specs import PhotoInput
from index_builder.core.keys import NO_PHOTO, url_identity
from index_builder.core.threads import thread_count
from index_builder.photos.download import DownloadSettings, FetchedPhoto, open_downloader
from index_builder.photos.last_resort import unexpected_reason
from index_builder.photos.photo_identity import identity_of_file
from towers.encoding import PHOTOS_PER_BATCH, decode_photo
from towers.errors import PhotoError
from towers.photos import Pixels, is_url, read_photo

# Photos in download, in decoding or decoded while others are encoded. It bounds memory: 77 MB at 224 x 224.
PHOTOS_AHEAD = 2 * PHOTOS_PER_BATCH


class PhotoFeed:
    """Yields photos in the order of a catalogue.

    Args:
        folder: folder that image paths are relative to, and must not leave.
        photo: photo size that a tower reads.
        settings: how photos are downloaded.
        stack: closes the threads and the HTTP client of the feed.
    """

    def __init__(self, folder: Path, photo: PhotoInput, settings: DownloadSettings, stack: ExitStack) -> None:
        self._folder = folder
        self._photo = photo
        self._settings = settings
        self._stack = stack
        self._pool: Executor = ThreadPoolExecutor(thread_count(), thread_name_prefix="photos")
        stack.callback(self._pool.shutdown, cancel_futures=True)
        self._download: Callable[[str], Future[FetchedPhoto]] | None = None

    def photos(self, images: Iterable[str | None]) -> Iterator[FetchedPhoto]:
        """Yield a decoded photo for each of these image entries of the catalogue."""
        images = iter(images)
        pending = deque(self._start(image) for image in islice(images, PHOTOS_AHEAD))
        while pending:
            photo, identity = pending.popleft()
            pending.extend(self._start(image) for image in islice(images, 1))
            yield replace(photo.result(), identity=identity) if identity else photo.result()

    def _start(self, image: str | None) -> tuple[Future[FetchedPhoto], bytes]:
        """Start to read a photo; return its future, and its identity where that is known already."""
        if image is None or not is_url(image):
            return self._pool.submit(self._load, image), NO_PHOTO
        if self._download is None:  # a catalogue without URLs needs no thread and no client
            self._download = self._stack.enter_context(open_downloader(self._settings, self._read, self._pool))
        return self._download(image), url_identity(image)

    def _load(self, image: str | None) -> FetchedPhoto:
        identity = NO_PHOTO
        try:
            identity = identity_of_file(self._folder, image) if image else NO_PHOTO
            return FetchedPhoto(*decode_photo(self._folder, image, self._photo), identity=identity)
        except PhotoError as error:
            return FetchedPhoto(None, error.reason)
        except Exception as error:
            return FetchedPhoto(None, unexpected_reason(str(image), error), identity=identity)

    def _read(self, content: bytes, url: str) -> Pixels:
        return read_photo(content, url, self._photo)


@contextmanager
def open_feed(folder: Path, photo: PhotoInput, settings: DownloadSettings) -> Iterator[PhotoFeed]:
    """Yield a feed; its downloads and threads end with the block."""
    with ExitStack() as stack:
        yield PhotoFeed(folder, photo, settings, stack)
