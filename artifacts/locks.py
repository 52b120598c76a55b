"""Locks between processes, which the system gives back when their holder ends, however it ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artifacts.errors import StoreError

_POLL_SECONDS = 0.02


@contextmanager
def locked(path: Path, wait_seconds: float) -> Iterator[None]:
    """Hold the only lock on a file, which is made if need be, or on a folder that is there.

    The lock is on what stands at the path now: a folder keeps it when it is renamed.

    Args:
        path: what to lock.
        wait_seconds: how long to wait for another holder.

    Raises:
        StoreError: another process still holds it then.
    """
    # NFS gives the lock on a file only to who may write it; folders cannot be opened so, and not be locked there.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _take(descriptor, path, wait_seconds)
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether another holder has the lock on a file or folder that is there."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return not _taken(descriptor)
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, wait_seconds: float) -> None:
    give_up_at = time.monotonic() + wait_seconds
    while not _taken(descriptor):
        if time.monotonic() >= give_up_at:
            raise StoreError(f"another process has held {path} for {wait_seconds:g} s; wait for it, then try again")
        time.sleep(_POLL_SECONDS)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
