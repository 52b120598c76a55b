"""The course of the soak: searches at half of what the service can do, and one fault after the other."""

import asyncio
import itertools
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import httpx
import numpy as np

from benchmarks.service.steady import Client
from benchmarks.soak.faults import FAULTS, UnexpectedAnswerError, search_by_sound_photo
from benchmarks.soak.searches import KnownAnswers, Outcome, SteadySearches, known_answers, search_body
from benchmarks.soak.target import Target
from benchmarks.soak.versions import PART, WHOLE

_CAPACITY_S = 5.0
_CONNECTIONS = 8
_HALF = 0.5
_CALM_S = (2.0, 6.0)  # from the recovery to the next fault, drawn
_GIVE_UP_S = 90.0  # without an answer after a fault
_REST_S = 20.0  # before the first fault and after the last, in which memory is measured
_MEMORY_PAUSE_S = 1.0


@dataclass(frozen=True)
class Injected:
    """A fault and what followed.

    Attributes:
        name: the fault, one of FAULTS.
        began: when it began, in seconds of the monotonic clock.
        ended: when it was over, and the service free to recover.
        recovery_s: seconds from then until the service was ready and answered; infinite if it was not in time.
        complaint: how the service answered, if in another way than it must; else empty.
    """

    name: str
    began: float
    ended: float
    recovery_s: float
    complaint: str

    @property
    def recovered(self) -> float:
        """When the service answered again, in seconds of the monotonic clock."""
        return self.ended + self.recovery_s


@dataclass(frozen=True)
class Soaked:
    """What a soak has seen.

    Attributes:
        per_s: searches that were sent each second.
        outcomes: what became of each of them.
        injected: the faults, in their order.
        memory_before_mb: memory of all processes of the service before the first fault, the median of many readings.
        memory_after_mb: the same after the last.
    """

    per_s: float
    outcomes: Sequence[Outcome]
    injected: Sequence[Injected]
    memory_before_mb: float
    memory_after_mb: float


async def soak(target: Target, queries: Sequence[str], seconds: float, seed: int) -> Soaked:
    """Attack a service for a time. At first it must serve the version WHOLE.

    Args:
        target: the service.
        queries: queries with known answers, asked again and again.
        seconds: how long faults are injected.
        seed: of the order of the faults and of the times between them.

    Raises:
        RuntimeError: the service does not answer before any fault.
    """
    client = Client(target.url)
    known = await _known_answers(target, client, queries)
    await search_by_sound_photo(target)  # starts the process that decodes photos, which belongs to the memory at rest
    per_s = _HALF * await _capacity(client)
    load = SteadySearches(client, queries, per_s, known)
    running = asyncio.create_task(load.run())
    try:
        before = await _median_memory(target)
        injected = await _inject(target, seconds, np.random.default_rng(seed))
        after = await _median_memory(target)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        client.close()
    return Soaked(per_s, load.outcomes, injected, before, after)


async def _known_answers(target: Target, client: Client, queries: Sequence[str]) -> KnownAnswers:
    """Ask each version for its answers; at the end WHOLE is served again."""
    known = await known_answers(client, WHOLE, queries)
    (await target.http.post("/admin/index/swap", json={"version": PART})).raise_for_status()
    known |= await known_answers(client, PART, queries)
    (await target.http.post("/admin/index/swap", json={"version": WHOLE})).raise_for_status()
    return known


async def _capacity(client: Client) -> float:
    """Return how many searches a second a few connections get answered, none of them from the cache."""
    stop_at, numbers, answered = time.monotonic() + _CAPACITY_S, itertools.count(), 0

    async def search_on() -> None:
        nonlocal answered
        while time.monotonic() < stop_at:
            status, _ = await client.send("POST", "/search", search_body(f"red mug {next(numbers)}"))
            answered += status == httpx.codes.OK

    await asyncio.gather(*(search_on() for _ in range(_CONNECTIONS)))
    return answered / _CAPACITY_S


async def _inject(target: Target, seconds: float, drawn: np.random.Generator) -> list[Injected]:
    """Inject all faults in a drawn order, again and again until the time is over; every fault at least once."""
    injected: list[Injected] = []
    stop_at = time.monotonic() + seconds
    while time.monotonic() < stop_at:
        for name in drawn.permutation(list(FAULTS)).tolist():
            if time.monotonic() >= stop_at and len(injected) >= len(FAULTS):
                break
            await asyncio.sleep(drawn.uniform(*_CALM_S))
            injected.append(await _inject_one(target, name))
            print(f"{injected[-1].recovery_s:6.1f} s  {name}  {injected[-1].complaint}", flush=True)
    return injected


async def _inject_one(target: Target, name: str) -> Injected:
    began, complaint = time.monotonic(), ""
    try:
        ended = await FAULTS[name](target)
    except (UnexpectedAnswerError, httpx.HTTPError) as error:
        ended, complaint = time.monotonic(), repr(error)
    recovery_s = await target.seconds_until_it_answers(ended, _GIVE_UP_S)
    return Injected(name, began, ended, recovery_s, complaint)


async def _median_memory(target: Target) -> float:
    readings = []
    for _ in range(int(_REST_S / _MEMORY_PAUSE_S)):
        readings.append(await asyncio.to_thread(target.memory_mb))
        await asyncio.sleep(_MEMORY_PAUSE_S)
    return statistics.median(readings)
