"""The faults of the soak. Each one harms the service, checks what it answers to that, and returns when it is over."""

import asyncio
import io
import json
import os
import signal
import struct
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

import httpx
from PIL import Image

from benchmarks.soak.target import Target
from benchmarks.soak.versions import DAMAGED, PART, WHOLE

_SLOW_READERS = 20
_SLOW_S = 8.0  # that they hold their connections without reading
_AWAY_S = 5.0  # that the store is away
_LOADING_TIMEOUT_S = 30.0
_BOUNDARY = "soak-boundary"

Fault = Callable[[Target], Awaitable[float]]  # returns the time of its end, in seconds of the monotonic clock


class UnexpectedAnswerError(Exception):
    """The service answered a fault in another way than it must."""


async def stop_search_process(target: Target) -> float:
    """Suspend the search process: it keeps its connections and answers nothing."""
    target.signal_search_process(signal.SIGSTOP)
    return time.monotonic()


async def kill_search_process(target: Target) -> float:
    """Kill the search process."""
    target.signal_search_process(signal.SIGKILL)
    return time.monotonic()


async def swap(target: Target) -> float:
    """Swap to the other version."""
    other = PART if await target.served() == WHOLE else WHOLE
    _expect(await target.http.post("/admin/index/swap", json={"version": other}), 200)
    return time.monotonic()


async def roll_back(target: Target) -> float:
    """Go back to the version that was served before, if there is one."""
    _expect(await target.http.post("/admin/index/rollback"), 200, 409)
    return time.monotonic()


async def swap_to_damaged(target: Target) -> float:
    """Ask for a version with one altered byte, which must be refused."""
    _expect(await target.http.post("/admin/index/swap", json={"version": DAMAGED}), 422)
    return time.monotonic()


async def stop_loading_process(target: Target) -> float:
    """Suspend a process while it loads a version: the swap must fail, and the next one must be possible."""
    other = PART if await target.served() == WHOLE else WHOLE
    before = set(target.search_processes())
    asked = asyncio.create_task(target.http.post("/admin/index/swap", json={"version": other}))
    give_up_at = time.monotonic() + _LOADING_TIMEOUT_S
    while not (loading := set(target.search_processes()) - before) and not asked.done():
        if time.monotonic() > give_up_at:
            raise UnexpectedAnswerError("no process began to load a version")
        await asyncio.sleep(0)
    for pid in loading:
        os.kill(pid, signal.SIGSTOP)
    _expect(await asked, 200, 422, 500, 503)  # 200 if the version was loaded before the process was suspended
    return time.monotonic()


async def read_slowly(target: Target) -> float:
    """Ask for large batches over many connections, and read nothing of the answers."""
    parts = urlsplit(target.url)
    content = json.dumps({"searches": [{"query": f"mug {number}", "k": 100} for number in range(100)]}).encode()
    head = (
        "POST /search/batch HTTP/1.1\r\nHost: soak\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    writers = []
    for _ in range(_SLOW_READERS):
        _, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1)  # 1: the reader stops at once
        writer.write(head.encode() + content)
        writers.append(writer)
    await asyncio.sleep(_SLOW_S)
    for writer in writers:
        writer.transport.abort()
    return time.monotonic()


async def abort_uploads(target: Target) -> float:
    """Begin to upload photos, and close the connections in the middle."""
    parts = urlsplit(target.url)
    content = _form(_flat_photo("JPEG", (800, 800)))
    head = (
        f"POST /search/image HTTP/1.1\r\nHost: soak\r\nContent-Type: multipart/form-data; boundary={_BOUNDARY}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    for _ in range(_SLOW_READERS):
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(head.encode() + content[: len(content) // 2])
        await writer.drain()
        writer.transport.abort()
    return time.monotonic()


async def upload_hostile_photos(target: Target) -> float:
    """Upload photos that are small files and large pictures, broken ones, and a sound one, which must be answered."""
    hostile = (
        _png_header_of(400_000, 1),
        _flat_photo("WEBP", (8_900, 8_900)),
        _flat_photo("PNG", (10_000, 1)),
        _flat_photo("PNG", (300, 300))[:-40],
        b"\xff\xd8\xff" + bytes(100),
    )
    for content in hostile:
        _expect(await _upload(target, content), 200, 422, 503)
    await search_by_sound_photo(target)
    return time.monotonic()


async def search_by_sound_photo(target: Target) -> None:
    """Search by a photo that must be answered."""
    _expect(await _upload(target, _flat_photo("JPEG", (300, 300))), 200)


async def take_store_away(target: Target) -> float:
    """Move the store to another place and back: the served version goes on, and a swap is refused meanwhile."""
    away = target.store.path.with_name(target.store.path.name + ".away")
    target.store.path.rename(away)
    try:
        other = PART if await target.served() == WHOLE else WHOLE
        _expect(await target.http.post("/admin/index/swap", json={"version": other}), 404, 422)
        await asyncio.sleep(_AWAY_S)
    finally:
        away.rename(target.store.path)
    return time.monotonic()


async def kill_while_store_is_away(target: Target) -> float:
    """Kill the search process while the store is away: nothing can be loaded until the store is back."""
    away = target.store.path.with_name(target.store.path.name + ".away")
    target.store.path.rename(away)
    try:
        target.signal_search_process(signal.SIGKILL)
        await asyncio.sleep(_AWAY_S)
    finally:
        away.rename(target.store.path)
    return time.monotonic()


FAULTS: Mapping[str, Fault] = {
    "search process stopped (SIGSTOP)": stop_search_process,
    "search process killed (SIGKILL)": kill_search_process,
    "swap to another version": swap,
    "rollback": roll_back,
    "swap to a damaged version, refused": swap_to_damaged,
    "process stopped while it loads a version": stop_loading_process,
    "20 slow readers of 100 searches each": read_slowly,
    "20 uploads aborted half-way": abort_uploads,
    "hostile photos uploaded": upload_hostile_photos,
    "store away for 5 s": take_store_away,
    "store away for 5 s, search process killed meanwhile": kill_while_store_is_away,
}


def _expect(answer: httpx.Response, *statuses: int) -> None:
    if answer.status_code not in statuses:
        raise UnexpectedAnswerError(f"{answer.request.url.path}: {answer.status_code} {answer.text[:300]}")


async def _upload(target: Target, photo: bytes) -> httpx.Response:
    headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    return await target.http.post("/search/image", content=_form(photo), headers=headers)


def _form(photo: bytes) -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="photo"\r\n\r\n'
    return head.encode() + photo + f"\r\n--{_BOUNDARY}--\r\n".encode()


def _flat_photo(form: str, size: tuple[int, int]) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(sink, form)
    return sink.getvalue()


def _png_header_of(width: int, height: int) -> bytes:
    """Return a PNG of one grey row, a few hundred bytes long however wide it is."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)  # one bit a pixel
    rows = zlib.compress(bytes(height * (1 + (width + 7) // 8)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
