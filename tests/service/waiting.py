"""Waiting for a state that another thread, process or task reaches, with an end and a sentence when it ends."""

import asyncio
import threading
import time
from collections.abc import Callable

WAIT_SECONDS = 120.0  # far longer than anything takes on a busy machine


def wait_until(holds: Callable[[], object], otherwise: str) -> None:
    """Wait until a condition holds.

    Args:
        holds: the condition, which is tested a hundred times a second.
        otherwise: what is wrong if it never holds.

    Raises:
        AssertionError: the condition does not hold within WAIT_SECONDS.
    """
    give_up_at = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < give_up_at, f"after {WAIT_SECONDS:g} s: {otherwise}"
        time.sleep(0.01)


async def until(holds: Callable[[], object], otherwise: str) -> None:
    """Wait on the event loop until a condition holds; see `wait_until`."""
    give_up_at = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < give_up_at, f"after {WAIT_SECONDS:g} s: {otherwise}"
        await asyncio.sleep(0.002)


async def is_set(event: threading.Event, otherwise: str) -> None:
    """Wait on the event loop until another thread sets an event; see `wait_until`."""
    await until(event.is_set, otherwise)


async def threads_ended(threads: set[threading.Thread]) -> None:
    """Wait until only these threads are left, which a test had before it started others."""
    await until(lambda: set(threading.enumerate()) <= threads, "threads that the test started are still running")
