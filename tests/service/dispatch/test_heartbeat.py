"""Which worker processes count as hanging, and when; on a virtual clock."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from service.core.errors import VersionRefusedError
from service.core.logs import RequestIds, current_request
from service.dispatch.version_process import VersionProcess
from service.protocol.messages import Message
from tests.service.unresponsive import UnresponsiveWorkers
from tests.service.virtual_clock import VirtualClockLoop, run_on_virtual_clock

NOTICED_SECONDS = 5.0  # at the latest


@pytest.fixture
def workers() -> Iterator[UnresponsiveWorkers]:
    made = UnresponsiveWorkers()
    yield made
    made.close()


def seconds_until_lost(
    workers: UnresponsiveWorkers, begin: Callable[[VersionProcess, VirtualClockLoop], object], limit: float = 300
) -> tuple[float, str]:
    """Return after how many seconds a process is lost and why; (limit, "") if it is not."""

    async def test() -> tuple[float, str]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualClockLoop)
        lost: asyncio.Future[str] = loop.create_future()
        process = await workers.open_version("v1")
        process.when_lost(lost.set_result)
        began = loop.time()
        begin(process, loop)
        await asyncio.wait({lost}, timeout=limit)
        if lost.done():
            return loop.time() - began, lost.result()
        await process.shut_down()
        return limit, ""

    return run_on_virtual_clock(test(), limit_seconds=2 * limit)


def test_a_process_that_answers_no_heartbeat_is_killed_and_its_batches_fail(workers: UnresponsiveWorkers) -> None:
    workers.answers_heartbeats = False
    replies: list[Message | None] = []

    def ask(process: VersionProcess, loop: VirtualClockLoop) -> None:
        process.search_channels[0].send(Message([]), replies.append)

    seconds, how = seconds_until_lost(workers, ask)
    assert 3 < seconds <= NOTICED_SECONDS, "not after a single beat, and soon"
    assert how == "answered no heartbeat for 4 s and was killed"
    assert [killed.is_set() for killed in workers.killed] == [True]
    assert replies == [None]


def test_who_asks_after_the_loss_is_told_too_and_outside_of_any_request(workers: UnresponsiveWorkers) -> None:
    workers.answers_heartbeats = False
    told: list[tuple[str, object]] = []

    async def test() -> None:
        process = await workers.open_version("v1")
        await asyncio.sleep(10)
        current_request.set(RequestIds("r-1", None))
        process.when_lost(lambda how: told.append((how, current_request.get())))
        await asyncio.sleep(1)

    run_on_virtual_clock(test())
    assert told == [("answered no heartbeat for 4 s and was killed", None)]


def test_a_process_that_answers_heartbeats_and_has_nothing_to_do_is_left_alone(workers: UnresponsiveWorkers) -> None:
    assert seconds_until_lost(workers, lambda process, loop: None) == (300, "")


@pytest.mark.parametrize(("kind", "bound"), [("search", 50), ("lookup", 50), ("photo", 80)])
def test_a_thread_that_never_answers_its_batch_is_noticed_though_heartbeats_are_answered(
    workers: UnresponsiveWorkers, kind: str, bound: float
) -> None:
    def ask(process: VersionProcess, loop: VirtualClockLoop) -> None:
        (channel,) = getattr(process, f"{kind}_channels")
        channel.send(Message([]), lambda reply: None)

    seconds, how = seconds_until_lost(workers, ask)
    assert bound <= seconds <= bound + 1
    assert how == f"answered no batch of searches for {bound} s and was killed"


def test_a_thread_that_answers_slowly_is_not_hanging(workers: UnresponsiveWorkers) -> None:
    """It always has a batch, but no batch for long."""

    def keep_busy(process: VersionProcess, loop: VirtualClockLoop) -> None:
        (channel,) = process.search_channels
        for _ in range(2):
            channel.send(Message([]), lambda reply: None)

        def answer_one_and_get_another() -> None:
            channel.send(Message([]), lambda reply: None)
            workers.reply(1, Message([]).to_bytes())

        for number in range(1, 7):
            loop.call_later(40 * number, answer_one_and_get_another)

    assert seconds_until_lost(workers, keep_busy, limit=250) == (250, "")


@pytest.mark.parametrize("held_up", [3.0, 3600.0])
def test_time_in_which_the_service_itself_stood_still_does_not_count(
    workers: UnresponsiveWorkers, held_up: float
) -> None:
    """As where a laptop slept, or all processes of a terminal were stopped."""
    workers.answers_heartbeats = False

    def hold_up(process: VersionProcess, loop: VirtualClockLoop) -> None:
        loop.call_later(3.8, loop.hold_up, held_up)

    seconds, _ = seconds_until_lost(workers, hold_up, limit=10_000)
    assert 3.8 + held_up + 3.5 < seconds <= 3.8 + held_up + NOTICED_SECONDS, "a whole new period was due"


@pytest.mark.parametrize(
    ("answers_heartbeats", "seconds", "reason"),
    [
        (False, 20, "version v1: while loading, its worker process answered no heartbeat for 20 s and was killed"),
        (True, 100, "version v1: it was not loaded within 100 s; VITRINE_LOAD_SECONDS allows more"),
    ],
)
def test_a_load_without_an_end_is_ended(
    workers: UnresponsiveWorkers, answers_heartbeats: bool, seconds: float, reason: str
) -> None:
    workers.loads, workers.answers_heartbeats = False, answers_heartbeats

    async def test() -> float:
        with pytest.raises(VersionRefusedError) as refused:
            await workers.open_version("v1")
        assert str(refused.value) == reason
        return asyncio.get_running_loop().time()

    assert run_on_virtual_clock(test()) == seconds
    assert [killed.is_set() for killed in workers.killed] == [True]
