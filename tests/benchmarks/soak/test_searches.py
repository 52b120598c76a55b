"""That wrong answers, missing ones and refusals are told apart."""

import asyncio
import json
from contextlib import suppress

import pytest

from benchmarks.service.steady import Client
from benchmarks.soak import searches
from benchmarks.soak.searches import Outcome, SteadySearches, fault_in

KNOWN = {("one", "mug"): {"a": 0.9, "b": 0.8, "c": 0.8, "d": 0.5}, ("two", "mug"): {"d": 0.7}}


def answer(*hits: tuple[str, float], version: str = "one") -> bytes:
    found = [{"product_id": product, "score": score} for product, score in hits]
    return json.dumps({"index_version": version, "hits": found}).encode()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (answer(("a", 0.9), ("b", 0.8), ("c", 0.8)), ""),
        (answer(("a", 0.9), ("c", 0.8005), ("b", 0.7995)), ""),  # equal but for rounding
        (answer(("d", 0.7), version="two"), ""),
        (answer(("a", 0.9), ("d", 0.5), ("b", 0.8)), "product d"),
        (answer(("a", 0.9), ("b", 0.8), ("e", 0.8)), "product e"),
        (answer(("a", 0.9), ("b", 0.81), ("c", 0.8)), "product b"),
        (answer(("a", 0.9), ("b", 0.8)), "2 hits"),
        (answer(("a", 0.9), ("a", 0.9), ("b", 0.8)), "3 hits"),
        (answer(("a", 0.9), ("b", 0.8), ("c", 0.8), version="two"), "3 hits"),  # of the other version
        (answer(("a", 0.9), version="three"), "never served"),
        (b'{"hits": []}', "no answer to a search"),
        (b"<html>", "no answer to a search"),
    ],
)
def test_an_answer_is_compared_with_that_of_its_version(
    content: bytes, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searches, "K", 3)
    found = fault_in(content, "mug", KNOWN)
    assert fault in found and bool(fault) == bool(found)


def test_each_search_has_a_verdict() -> None:
    """A server gives these answers in turn; the last closes the connection without any."""
    right = answer(("d", 0.7), version="two")
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(right), right),
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 503 Unavailable\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 503 Unavailable\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}",
        b"",
    ]

    async def run() -> list[Outcome]:
        left, all_sent = iter(answers), asyncio.Event()

        async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(asyncio.IncompleteReadError):
                while not all_sent.is_set():
                    await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(len(searches.search_body("mug")))
                    content = next(left, None)
                    if not content:
                        all_sent.set()
                        break
                    writer.write(content)
            writer.close()

        server = await asyncio.start_server(respond, "127.0.0.1", 0)
        client = Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        load = SteadySearches(client, ["mug"], 50, KNOWN)
        sending = asyncio.create_task(load.run())
        await asyncio.wait_for(all_sent.wait(), 60)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        client.close()
        server.close()
        return load.outcomes

    verdicts = [each.verdict for each in asyncio.run(run())]
    assert sorted(verdicts[:5]) == sorted(["right", "wrong", "503", "503 without Retry-After", "other status"])
    assert set(verdicts[5:]) == {"no answer"}  # the last, and what was sent meanwhile
