"""Reads photos that are queries: decodes and encodes them one after another, on a thread of their own.

A photo takes as long as hundreds of texts. On the search worker (service/batcher.py) all searches would wait behind it.
One thread also bounds the memory: a decoded photo can take hundreds of megabytes.
"""

import asyncio
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from service.errors import OverloadedError, SearchFailedError, ServiceError
from service.logs import EventLog
from service.metrics import Metrics, PhotoSeconds
from service.photo_queries import PhotoQueries, Vector

_log = EventLog(__name__)


@dataclass(frozen=True, eq=False)
class ReadPhoto:
    """A photo's vector, shape (D,), and where the time went."""

    vector: Vector
    seconds: PhotoSeconds


class PhotoReader:
    """Its methods are called on the event loop.

    Args:
        max_waiting: Photos that may be read or wait for it.
        metrics: Told how many wait.
    """

    def __init__(self, *, max_waiting: int, metrics: Metrics) -> None:
        self._max_waiting = max_waiting
        self._jobs: set[Future[ReadPhoto]] = set()  # waiting, or being read
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="vitrine-photos")
        metrics.watch_photos(lambda: len(self._jobs))

    def check_room(self) -> None:
        """Refuse a photo before it is uploaded.

        Raises:
            OverloadedError: As many as are allowed wait already.
        """
        if len(self._jobs) >= self._max_waiting:
            raise OverloadedError(f"{len(self._jobs)} photos are waiting already; try again in a moment")

    def submit(self, photos: PhotoQueries, content: bytes) -> asyncio.Future[ReadPhoto]:
        """Queue a photo. Cancel the future to give it up; it raises QueryError where the photo cannot be used.

        Raises:
            OverloadedError: As many as are allowed wait already.
        """
        self.check_room()
        job = self._thread.submit(_read, photos, content, time.perf_counter())
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return asyncio.wrap_future(job)

    def stop(self) -> None:
        """Read no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _read(photos: PhotoQueries, content: bytes, queued_at: float) -> ReadPhoto:
    begun_at = time.perf_counter()
    try:
        pixels = photos.decode(content)
        decoded_at = time.perf_counter()
        vector = photos.encode(pixels)
    except ServiceError:
        raise
    except Exception as error:
        _log.exception("photo_failed")
        raise SearchFailedError("the search broke inside the service; its log says how") from error
    ended_at = time.perf_counter()
    return ReadPhoto(vector, PhotoSeconds(begun_at - queued_at, decoded_at - begun_at, ended_at - decoded_at))
