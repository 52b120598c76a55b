"""Locks between processes. The operating system releases a lock when its holder ends, also after a kill."""

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
    """Hold an exclusive lock on a file, which is created if it is missing, or on an existing folder.

    A folder keeps its lock when it is renamed.

    Args:
        path: the file or folder.
        wait_seconds: how long to wait for another holder.

    Raises:
        StoreError: another process still holds the lock after that time.
    """
    # NFS requires write access to lock a file; folders cannot be opened for writing and so cannot be locked on NFS.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _take(descriptor, path, wait_seconds)
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Return whether somebody holds the lock on an existing file or folder."""
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
