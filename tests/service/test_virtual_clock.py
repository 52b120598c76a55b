"""The event loop on which long timeouts pass at once."""

import asyncio
import threading
import time

import pytest

from tests.service import virtual_clock
from tests.service.virtual_clock import VirtualClockLoop, run_on_virtual_clock


def test_timers_pass_at_once_and_in_their_order() -> None:
    async def test() -> list[float]:
        loop, times = asyncio.get_running_loop(), list[float]()
        for seconds in (500, 20, 100):
            loop.call_later(seconds, lambda: times.append(loop.time()))
        await asyncio.sleep(501)
        return times

    began = time.monotonic()
    assert run_on_virtual_clock(test()) == [20, 100, 500]
    assert time.monotonic() - began < 20


def test_a_loop_that_is_held_up_is_late_for_its_timers() -> None:
    async def test() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualClockLoop)
        loop.call_later(1, loop.hold_up, 20)
        await asyncio.sleep(2)
        return loop.time()

    assert run_on_virtual_clock(test()) == 21


def test_threads_are_waited_for_where_no_timer_is_set() -> None:
    assert run_on_virtual_clock(asyncio.to_thread(threading.Event().wait, 0.01)) is False


def test_an_endless_wait_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def poll() -> None:
        while True:
            await asyncio.sleep(1)

    with pytest.raises(AssertionError, match="still waiting after 600 s on the virtual clock"):
        run_on_virtual_clock(poll())
    monkeypatch.setattr(virtual_clock, "_REAL_LIMIT_SECONDS", 0.01)
    with pytest.raises(AssertionError, match=r"no timer is set, and nothing happened for 0\.01 s"):
        run_on_virtual_clock(asyncio.Event().wait())
