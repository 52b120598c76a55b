"""Ten times as many searches as can be answered, on a real service in a process of its own."""

import asyncio
import statistics
from pathlib import Path

import pytest

from tests.service.flood import Answered, Flood, flood
from tests.service.processes import service_process

pytestmark = pytest.mark.integration
# The service can answer BATCH searches every PAUSE_SECONDS and no more, however quick the machine is; so few that a
# busy machine, too, can send and refuse ten times as many.
BATCH, PAUSE_SECONDS, QUEUE = 2, 0.08, 16
ROUNDS = 3  # of which one must do: other work on the machine costs answers, too
CAPACITY = BATCH / PAUSE_SECONDS
PACED = f"""
import time
from towers.query_encoder import OnnxQueryEncoder
encode = OnnxQueryEncoder.encode
def paced(self, queries):
    time.sleep({PAUSE_SECONDS})
    return encode(self, queries)
OnnxQueryEncoder.encode = paced
"""
SETTINGS = {"VITRINE_MAX_BATCH": f"{BATCH}", "VITRINE_MAX_QUEUE": f"{QUEUE}", "VITRINE_CACHE_MB": "0"}


def goodput(result: Flood) -> float:
    """Answers a second, while searches arrived."""
    return sum(answer.sent_at + answer.took_seconds <= result.seconds for answer in result.of(200)) / result.seconds


def median_seconds(answers: list[Answered]) -> float:
    return statistics.median(answer.took_seconds for answer in answers)


def test_ten_times_the_capacity(good_store: Path, tmp_path: Path) -> None:
    with service_process(good_store, tmp_path, PACED, **SETTINGS) as process:

        def load(times: float, seconds: float) -> Flood:
            body: dict[str, object] = {"query": "red shoes %d", "k": 10}
            return asyncio.run(flood(process.url, body, rate=times * CAPACITY, seconds=seconds, connections=150))

        load(10, 1)  # so that its memory has settled
        before = process.resident_bytes()
        for _ in range(ROUNDS):
            peak = max(goodput(load(times, 2)) for times in (1, 1.2))
            overload = load(10, 4)
            check_refusals(overload)
            if goodput(overload) >= 0.8 * peak:
                break
        else:
            pytest.fail(f"{goodput(overload):.0f} answers a second at ten times the capacity, {peak:.0f} at it")
        grown = process.resident_bytes() - before
    assert peak > CAPACITY / 2
    assert grown < 20_000_000


def check_refusals(overload: Flood) -> None:
    refused, answered = overload.of(503), overload.of(200)
    assert overload.lost == 0
    assert len(refused) + len(answered) == len(overload.answers)
    assert len(refused) > 3 * len(answered)
    assert all(answer.retry_after for answer in refused)
    assert median_seconds(refused) < median_seconds(answered) / 4  # which wait for their turn
