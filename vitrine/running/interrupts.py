"""Ctrl-C and SIGTERM, noticed at whatever moment they come."""

import signal
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager

_interrupted = threading.Event()
_deferred = threading.Event()


@contextmanager
def heeding_interrupts() -> Iterator[None]:
    """Have Ctrl-C and SIGTERM raise KeyboardInterrupt in the block; Ctrl-C not where it is ignored, as under nohup.

    Python drops an exception that a signal raises in a finalizer, so waits ask `check_interrupted` besides.
    """
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in numbers}
    _interrupted.clear()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Have a signal that comes in the block raise nothing: the hooks of a fork, for one, would only print it."""
    _deferred.set()
    try:
        yield
    finally:
        _deferred.clear()


def check_interrupted() -> None:
    """Raise KeyboardInterrupt if a signal asked for it."""
    if _interrupted.is_set():
        raise KeyboardInterrupt


def _interrupt(number: int, frame: types.FrameType | None) -> None:
    _interrupted.set()
    if not _deferred.is_set():
        raise KeyboardInterrupt
