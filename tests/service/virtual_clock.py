"""An event loop with a clock of its own, on which long timeouts pass at once.

Tests of timeouts that run on it take no time and measure the same durations on a busy machine as on an idle one.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
_REAL_LIMIT_SECONDS = 30.0  # for a thread that works for the loop while no timer is set


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for events as usual, but where only a timer would end the wait, moves the clock forward to that timer."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        super().__init__()
        self._advance = advance

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(_REAL_LIMIT_SECONDS if timeout is None else 0)
        if not events and timeout is None:
            raise AssertionError(f"no timer is set, and nothing happened for {_REAL_LIMIT_SECONDS:g} s")
        if not events and timeout is not None and timeout > 0:
            self._advance(timeout)
        return events


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` moves only when nothing else is left to do.

    It must not be used while another thread or process works on what the loop waits for with a timeout, since the
    timeout then passes at once.

    Args:
        limit_seconds: the run fails when its clock passes this time, so that no wait is endless.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._now = 0.0
        self._limit_seconds = limit_seconds
        super().__init__(_JumpingSelector(self._advance))

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._now

    def hold_up(self, seconds: float) -> None:
        """Let time pass as if a callback had kept the loop busy."""
        self._now += seconds

    def _advance(self, seconds: float) -> None:
        self._now += seconds
        assert self._now < self._limit_seconds, f"still waiting after {self._limit_seconds:g} s on the virtual clock"


def run_on_virtual_clock(work: Coroutine[Any, Any, Result], limit_seconds: float = 600.0) -> Result:
    """Run a coroutine on such a loop."""
    with asyncio.Runner(loop_factory=lambda: VirtualClockLoop(limit_seconds)) as runner:
        return runner.run(work)
