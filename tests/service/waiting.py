"""Waiting for what another thread or process does, with an end and a sentence when it ends."""

import time
from collections.abc import Callable

WAIT_SECONDS = 60.0  # far longer than anything takes on a busy machine


def wait_until(holds: Callable[[], object], otherwise: str) -> None:
    """Wait until a condition holds.

    Args:
        holds: The condition, asked a hundred times a second.
        otherwise: What is wrong where it never holds.

    Raises:
        AssertionError: It does not hold within WAIT_SECONDS.
    """
    give_up_at = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < give_up_at, f"after {WAIT_SECONDS:g} s: {otherwise}"
        time.sleep(0.01)
