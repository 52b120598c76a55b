"""Open-loop load test: requests at a fixed rate while the service swaps its index version.

Requests are sent at the fixed rate even when the service is slow, and latency counts from the time at which a request
was due. A pause of the service is therefore visible in the latencies; a client that waits for each answer before it
sends the next request would hide it (coordinated omission). A connection carries one request at a time; when all are
busy, another one is opened.
"""

import asyncio
import gc
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from artifacts.records import Record
from benchmarks.common.measured_process import write_result

SETTLE_S = 1.0  # time after the answer to a swap that still counts as the swap: the old version is freed in it
_WARM_UP_S = 1.0
_TIMEOUT_S = 30.0
_OK = 200

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Answered:
    """A request that was answered or failed.

    Attributes:
        due: time at which it was due to be sent, in seconds of the monotonic clock.
        done: time at which it was answered or failed, on the same clock.
        good: whether it was answered with 200.
    """

    due: float
    done: float
    good: bool


class Phase(Record):
    """Measurements of the requests in a period."""

    seconds: float
    latency_ms: tuple[float, ...]  # of the requests that were answered with 200
    longest_gap_ms: float  # longest time between two successive answers
    lost: int  # requests that were not answered, or not with 200


class SwapsUnderLoad(Record):
    """Measurements of clients before and during swaps."""

    steady: Phase
    swaps: tuple[Phase, ...]
    swap_s: tuple[float, ...]


class Client:
    """An HTTP client of one service that reuses its connections.

    Args:
        url: URL of the service, without a path.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._free: list[_Connection] = []

    async def send(self, method: str, path: str, body: str = "", token: str = "") -> tuple[int, bytes]:
        """Send a request and return status and body of the answer; see `exchange` for errors."""
        status, _, content = await self.exchange(method, path, body, token)
        return status, content

    async def exchange(
        self, method: str, path: str, body: str = "", token: str = ""
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request and return status, headers by their names in lower case, and body of the answer.

        Raises:
            OSError, EOFError: the connection broke.
        """
        reader, writer = await self._connection()
        content = body.encode()
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"{authorization}Content-Length: {len(content)}\r\n\r\n"
        )
        try:
            writer.write(head.encode() + content)
            status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
            fields = {name: value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}
            if "content-length" not in fields:
                raise ConnectionError(f"the answer has no Content-Length: {status}")
            answer = await reader.readexactly(int(fields["content-length"]))
        except BaseException:
            writer.close()
            raise
        if fields.get("connection") == "close":
            writer.close()
        else:
            self._free.append((reader, writer))
        return int(status.split()[1]), fields, answer

    async def _connection(self) -> _Connection:
        """Return an idle connection that the service has not closed, or a new one."""
        while self._free:
            reader, writer = self._free.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)

    def close(self) -> None:
        """Close the idle connections."""
        for _, writer in self._free:
            writer.close()


async def at_fixed_rate(requests: Iterable[str], per_s: float, ask: Callable[[str, float], Awaitable[None]]) -> None:
    """Begin requests at a fixed rate, however long each takes, until cancelled; then wait for those under way.

    Args:
        requests: the requests.
        per_s: requests per second.
        ask: sends a request; it also gets the time at which that was due, in seconds of the monotonic clock.
    """
    begin, under_way = time.monotonic(), set[asyncio.Future[None]]()
    try:
        for number, request in enumerate(requests):
            due = begin + number / per_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.ensure_future(ask(request, due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
    finally:
        await asyncio.gather(*under_way)


class FixedRate:
    """An open-loop load generator: sends requests at a fixed rate until it is cancelled.

    Args:
        client: the client that sends the requests.
        lines: requests, as METHOD PATH BODY; after the last follows the first.
        per_s: requests per second.
    """

    def __init__(self, client: Client, lines: Sequence[str], per_s: float) -> None:
        self.answered: list[Answered] = []
        self._client = client
        self._lines = lines
        self._per_s = per_s

    async def run(self) -> None:
        """Send requests until cancelled, then wait for those that are not yet answered."""
        await at_fixed_rate(cycle(self._lines), self._per_s, self._ask)

    async def _ask(self, line: str, due: float) -> None:
        method, path, *body = line.split(" ", 2)
        good = False
        with suppress(OSError, EOFError):  # TimeoutError is an OSError
            async with asyncio.timeout(_TIMEOUT_S):
                good = (await self._client.send(method, path, *body))[0] == _OK
        self.answered.append(Answered(due, time.monotonic(), good))


async def swap_under_load(
    url: str, lines: Sequence[str], per_s: float, steady_s: float, versions: Sequence[str], token: str
) -> SwapsUnderLoad:
    """Load a service at a fixed rate and swap it to one version after the other.

    Args:
        url: URL of the service.
        lines: requests, as METHOD PATH BODY.
        per_s: requests per second.
        steady_s: seconds before the first swap and between two swaps.
        versions: ids of the versions to swap to, in this order.
        token: token of the admin routes.

    Raises:
        RuntimeError: the service refused a swap.
    """
    client, admin = Client(url), Client(url)
    load = FixedRate(client, lines, per_s)
    running = asyncio.create_task(load.run())
    try:
        await asyncio.sleep(_WARM_UP_S)
        windows = [(time.monotonic(), time.monotonic() + steady_s)]
        took_s = []
        for version in versions:
            await asyncio.sleep(steady_s)
            begin = time.monotonic()
            status, answer = await admin.send("POST", "/admin/index/swap", json.dumps({"version": version}), token)
            if status != _OK:
                raise RuntimeError(f"the swap to {version} was answered with {status}: {answer.decode()}")
            took_s.append(time.monotonic() - begin)
            await asyncio.sleep(SETTLE_S)
            windows.append((begin, time.monotonic()))
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        client.close()
        admin.close()
    steady, *swaps = (phase_of(load.answered, begin, end) for begin, end in windows)
    return SwapsUnderLoad(steady=steady, swaps=tuple(swaps), swap_s=tuple(took_s))


def phase_of(answered: Sequence[Answered], begin: float, end: float) -> Phase:
    """Summarise the requests that were due in a period, and the gaps between the answers in it."""
    due = [each for each in answered if begin <= each.due < end]
    times = sorted(each.done for each in answered if each.good and begin <= each.done < end)
    return Phase(
        seconds=end - begin,
        latency_ms=tuple(round(1000 * (each.done - each.due), 3) for each in due if each.good),
        longest_gap_ms=1000 * max(after - before for before, after in pairwise([begin, *times, end])),
        lost=sum(not each.good for each in due),
    )


def main(
    url: Annotated[str, typer.Option(help="URL of the service.")],
    requests: Annotated[Path, typer.Option(help="File of requests, one per line.")],
    per_s: Annotated[float, typer.Option(help="Requests per second.")],
    steady_s: Annotated[float, typer.Option(help="Seconds before each swap.")],
    version: Annotated[list[str], typer.Option(help="Id of a version to swap to; can be given several times.")],
    token: Annotated[str, typer.Option(envvar="BENCH_SERVICE_TOKEN", help="Token of the admin routes.")],
    swaps: Annotated[int, typer.Option(help="Number of swaps; the versions are taken in turn.")],
    out: Annotated[Path, typer.Option(help="File of the result.")],
) -> None:
    """Load a service at a fixed rate while it swaps its index version."""
    lines = requests.read_text(encoding="utf-8").splitlines()
    turns = list(islice(cycle(version), swaps))
    gc.disable()  # a full garbage collection would look like a gap between answers; this process ends soon
    write_result(out, asyncio.run(swap_under_load(url, lines, per_s, steady_s, turns, token)))


if __name__ == "__main__":
    typer.run(main)
