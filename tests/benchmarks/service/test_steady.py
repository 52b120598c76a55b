"""That requests keep their rate, stalls are seen, and a swap of the real service loses nothing."""

import asyncio
import json
import time
from itertools import pairwise
from pathlib import Path

import pytest

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
    """A server that answers nothing for 0.3 s: the requests that were due meanwhile are counted as late."""

    async def run() -> list[Answered]:
        stalled_until = time.monotonic() + 0.5

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(2)
                    now = time.monotonic()
                    await asyncio.sleep(stalled_until - now if stalled_until - 0.3 < now < stalled_until else 0)
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            except asyncio.IncompleteReadError:
                writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        client = Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        load = FixedRate(client, ["POST /search {}"], 100)
        sending = asyncio.create_task(load.run())
        await asyncio.sleep(1)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        client.close()
        server.close()
        return load.answered

    answered = asyncio.run(run())
    assert 80 <= len(answered) <= 101 and all(each.good for each in answered)
    due = sorted(each.due for each in answered)
    assert all(after - before == pytest.approx(0.01) for before, after in pairwise(due))
    phase = phase_of(answered, due[0], due[-1])
    assert phase.longest_gap_ms > 250 and max(phase.latency_ms) > 250
    assert sum(latency > 50 for latency in phase.latency_ms) > 20  # all that waited, not one


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
        await asyncio.sleep(0.2)
        found = await client.send("GET", "/health")
        client.close()
        server.close()
        return found

    assert asyncio.run(run()) == (200, b"{}")


@pytest.mark.integration
def test_swaps_of_the_real_service(tmp_path: Path) -> None:
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
            assert phase.lost == 0 and phase.latency_ms and 0 < phase.longest_gap_ms < 1000 * phase.seconds
        assert len(found.steady.latency_ms) == pytest.approx(25, abs=2)
        with pytest.raises(RuntimeError, match="the swap to three was answered with 404"):
            asyncio.run(swap_under_load(running.url, LINES, 50, 0.1, ["three"], TOKEN))
