"""That requests keep their rate, stalls are seen, and a swap of the real service loses nothing."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.service import steady
from benchmarks.service.steady import Answered, Client, FixedRate, phase_of, swap_under_load
from tests.service.running import TOKEN, running_service
from tests.service.shop import QUERIES, Shop, save_query_side

LINES = [f"POST /search {json.dumps({'query': query})}" for query in QUERIES]


def test_a_phase() -> None:
    answered = [
        Answered(0.9, 1.05, good=True),  # due before, answered within
        Answered(1.0, 1.01, good=True),
        Answered(1.1, 1.4, good=True),
        Answered(1.2, 1.25, good=False),
        Answered(1.45, 2.5, good=True),  # due within, answered later
    ]
    phase = phase_of(answered, 1.0, 1.5)
    assert phase.latency_ms == pytest.approx((10, 300, 1050)) and phase.lost == 1
    assert phase.longest_gap_ms == pytest.approx(350) and phase.seconds == 0.5  # from 1.05 to 1.4
    assert phase_of([], 1.0, 1.5).longest_gap_ms == 500


def test_the_rate_is_kept_while_the_service_stands_still() -> None:
    """A server answers requests 20 to 49 only when the last of them has come, which is due 0.29 s after the first.

    Each request has its number as its body, since on a busy machine those of one moment arrive in any order.
    """

    async def run() -> list[Answered]:
        last_has_come, enough = asyncio.Event(), asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    number = int(await reader.readexactly(4))
                    if number == 49:
                        last_has_come.set()
                    if number == 60:
                        enough.set()
                    if number >= 20:
                        await last_has_come.wait()
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            except asyncio.IncompleteReadError:
                writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        client = Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        load = FixedRate(client, [f"POST /search {number:04}" for number in range(9999)], 100)
        sending = asyncio.create_task(load.run())
        await asyncio.wait_for(enough.wait(), 60)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        client.close()
        server.close()
        return load.answered

    answered = sorted(asyncio.run(run()), key=lambda each: each.due)
    assert len(answered) > 60 and all(each.good for each in answered)
    due = [each.due for each in answered]
    assert all(after - before == pytest.approx(0.01) for before, after in pairwise(due))
    assert all(each.done > due[49] for each in answered[20:50])  # all that waited, not one
    latency_ms = phase_of(answered, due[0], due[-1]).latency_ms
    assert latency_ms == tuple(round(1000 * (each.done - each.due), 3) for each in answered[:-1])
    assert latency_ms[20] > 289


def test_a_connection_that_the_service_has_closed_is_not_used() -> None:
    async def run() -> tuple[int, bytes]:
        async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer_once, "127.0.0.1", 0)
        client = Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await client.send("GET", "/health")
        assert await asyncio.wait_for(client._free[0][0].read(), 60) == b""  # the service has closed it
        found = await client.send("GET", "/health")
        client.close()
        server.close()
        return found

    assert asyncio.run(run()) == (200, b"{}")


@pytest.mark.integration
def test_swaps_of_the_real_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady, "_WARM_UP_S", 0.1)
    monkeypatch.setattr(steady, "SETTLE_S", 0.2)
    save_query_side(tmp_path / "query", seed=1)
    shop = Shop(tmp_path / "query")
    for version in ("one", "two"):
        shop.add_version(tmp_path / "store", version)
    (tmp_path / "store" / "CURRENT").write_text(json.dumps({"version": "one", "previous": []}))
    with running_service(tmp_path / "store", cache_mb=0) as running:
        found = asyncio.run(swap_under_load(running.url, LINES, 50, 0.5, ["two", "one", "two"], TOKEN))
        assert running.service.swapper.served is not None and running.service.swapper.served.version_id == "two"
        assert len(found.swaps) == len(found.swap_s) == 3 and all(seconds > 0 for seconds in found.swap_s)
        for phase in (found.steady, *found.swaps):
            assert phase.lost == 0 and phase.latency_ms and 0 < phase.longest_gap_ms <= 1000 * phase.seconds
        assert len(found.steady.latency_ms) == pytest.approx(25, abs=2)
        with pytest.raises(RuntimeError, match="the swap to three was answered with 404"):
            asyncio.run(swap_under_load(running.url, LINES, 50, 0.1, ["three"], TOKEN))
