"""Reading photos on a thread of their own: in order, within bounds, and given up when nobody waits."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from service.errors import OverloadedError, QueryError, SearchFailedError
from service.metrics import Metrics
from service.photo_reader import PhotoReader


class StandInPhotos:
    """Decodes b"N" to a pixel of N; waits where a test holds it.

    Attributes:
        go: Cleared, it holds every photo until set.
        entered: Set when a photo begins to be decoded.
        read: What was decoded.
    """

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.entered = threading.Event()
        self.read: list[bytes] = []

    def decode(self, content: bytes) -> np.ndarray:
        self.entered.set()
        assert self.go.wait(10), "a test forgot to let the photos go"
        self.read.append(content)
        if content == b"broken":
            raise QueryError("image is no readable picture")
        if content == b"bug":
            raise RuntimeError("secret inside")
        return np.full((1, 1, 3), int(content), np.uint8)

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        return pixels[0, 0].astype(np.float32)


def run(test: Callable[[PhotoReader, Any], Coroutine[Any, Any, None]], max_waiting: int = 16) -> Metrics:
    """Run a test on a loop, with a reader and what stands in for a version's photos."""
    metrics = Metrics()

    async def around() -> None:
        reader = PhotoReader(max_waiting=max_waiting, metrics=metrics)
        try:
            await test(reader, StandInPhotos())
        finally:
            reader.stop()

    asyncio.run(around())
    return metrics


def test_photos_are_read_beside_the_loop_one_after_another() -> None:
    async def test(reader: PhotoReader, photos: StandInPhotos) -> None:
        photos.go.clear()
        waiting = [reader.submit(photos, b"%d" % number) for number in range(5)]  # type: ignore[arg-type]
        await asyncio.to_thread(photos.entered.wait, 5)
        await asyncio.sleep(0.1)  # the loop goes on
        photos.go.set()
        read = await asyncio.gather(*waiting)
        assert [photo.vector.tolist() for photo in read] == [[number] * 3 for number in range(5)]
        assert photos.read == [b"0", b"1", b"2", b"3", b"4"]
        assert read[0].seconds.decode >= 0.1
        assert all(photo.seconds.queue >= 0.1 and photo.seconds.encode > 0 for photo in read[1:])

    run(test)


def test_more_than_are_allowed_are_refused_at_once() -> None:
    async def test(reader: PhotoReader, photos: StandInPhotos) -> None:
        photos.go.clear()
        waiting = [reader.submit(photos, b"1") for _ in range(2)]  # type: ignore[arg-type]
        for refused in (reader.check_room, lambda: reader.submit(photos, b"2")):  # type: ignore[arg-type]
            with pytest.raises(OverloadedError, match=r"^2 photos are waiting already; try again in a moment$"):
                refused()
        photos.go.set()
        await asyncio.gather(*waiting)
        while photos.read != [b"1"] * 2:
            await asyncio.sleep(0.01)
        reader.check_room()

    assert b"vitrine_photo_queue_depth 0.0" in run(test, max_waiting=2).render()


def test_what_nobody_waits_for_is_not_read() -> None:
    async def test(reader: PhotoReader, photos: StandInPhotos) -> None:
        photos.go.clear()
        first, second, third = (reader.submit(photos, content) for content in (b"1", b"2", b"3"))  # type: ignore[arg-type]
        await asyncio.to_thread(photos.entered.wait, 5)
        second.cancel()
        await asyncio.sleep(0)
        photos.go.set()
        await asyncio.gather(first, third)
        assert photos.read == [b"1", b"3"]

    run(test)


def test_a_photo_that_cannot_be_read_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def test(reader: PhotoReader, photos: StandInPhotos) -> None:
        broken, bug, good = (reader.submit(photos, content) for content in (b"broken", b"bug", b"7"))  # type: ignore[arg-type]
        with pytest.raises(QueryError, match="image is no readable picture"):
            await broken
        with pytest.raises(SearchFailedError, match="the search broke inside the service; its log says how"):
            await bug
        assert (await good).vector.tolist() == [7, 7, 7]

    run(test)
    assert "event=photo_failed" in caplog.text and "secret inside" in caplog.text
