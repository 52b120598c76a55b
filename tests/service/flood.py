"""Searches sent at a fixed rate, whether or not earlier ones have been answered."""

import asyncio
import json
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Answered:
    """An answered search: when it was sent, counted from the first one, its status, and how long the answer took."""

    sent_at: float
    status: int
    took_seconds: float
    retry_after: bool


@dataclass
class Flood:
    """The outcome of all searches.

    Attributes:
        answers: the answers in the order of their arrival.
        lost: how many searches lost their connection.
        unsent: how many searches were not sent, since all connections were waiting for answers.
        seconds: the time from the first search to the last.
    """

    answers: list[Answered] = field(default_factory=list)
    lost: int = 0
    unsent: int = 0
    seconds: float = 0.0

    def of(self, status: int) -> list[Answered]:
        """Return the answers with this status."""
        return [answer for answer in self.answers if answer.status == status]


async def flood(url: str, body: dict[str, object], *, rate: float, seconds: float, connections: int) -> Flood:
    """Send a search every 1/rate seconds, each over an idle connection.

    Args:
        url: the address of the service.
        body: the body of every search; "%d" in its query is replaced by the number of the search.
        rate: searches per second.
        seconds: how long searches are sent.
        connections: the maximum number of connections.
    """
    host, port = url.removeprefix("http://").split(":")
    result = Flood()
    idle = [await asyncio.open_connection(host, int(port)) for _ in range(connections)]
    waiting: set[asyncio.Task[None]] = set()
    sent, began = 0, time.perf_counter()

    async def ask(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent_at = time.perf_counter()
        try:
            writer.write(_request(host, body, number))
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        except (OSError, asyncio.IncompleteReadError):
            result.lost += 1
            return
        took_seconds = time.perf_counter() - sent_at
        retry_after = b"\r\nretry-after: " in head.lower()
        result.answers.append(Answered(sent_at - began, int(head[9:12]), took_seconds, retry_after))
        idle.append((reader, writer))

    while (elapsed := time.perf_counter() - began) < seconds:
        while sent < elapsed * rate:
            sent += 1
            if idle:
                task = asyncio.create_task(ask(sent, *idle.pop()))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
            else:
                result.unsent += 1
        await asyncio.sleep(0.001)
    result.seconds = time.perf_counter() - began
    await asyncio.gather(*waiting)
    for _, writer in idle:
        writer.close()
    return result


def _request(host: str, body: dict[str, object], number: int) -> bytes:
    content = json.dumps({**body, "query": str(body["query"]) % number}).encode()
    head = f"POST /search HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    return head.encode() + b"\r\n\r\n" + content
