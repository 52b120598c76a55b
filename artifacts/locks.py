"""Locks between programs, on one machine or on several that share a file system.

A lock is a folder with numbered leases (artifacts/leases.py), of which the one with the highest number counts; those
below it are rests. Whoever finds that it was given back, or that its holder is dead, takes the lock by creating the
next number. At most one holds the lock, for these reasons:

- A number is created by a link, so that one of several who create it at once succeeds.
- The highest number is never removed. A program that was slow, and so creates a number which has been taken, given back
  and removed meanwhile, then finds a higher one: the lock is not its own, and it removes what it has created.
- A higher number can appear after that only from somebody who has seen this one, and judged it to be dead.
- Creating a file changes the folder, so that the machine lists it anew and sees what others have created before. So
  small a folder is listed by one call, into which no change falls.
- Whoever has taken the lock removes the lower numbers before it goes on. A holder that was wrongly held for dead, since
  its machine stood still for a minute, finds its lease gone when it checks it, before it changes anything for good.

A kill at any moment leaves a lease whose holder is dead, or a file without a number, which the next holder removes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artifacts.errors import StoreError
from artifacts.leases import LOOK_SECONDS, Holder, Lease, Node, Watch, this_node

_POLL_SECONDS = 0.02


@contextmanager
def locked(path: Path, wait_seconds: float) -> Iterator[Lease]:
    """Hold an exclusive lock.

    Where a machine other than this one holds it or was switched off while it did, it takes seconds or a minute longer
    to find that out.

    Args:
        path: folder of the lock, which is created; a file in its place, of an older release, is removed.
        wait_seconds: how long to wait for another holder that lives.

    Raises:
        StoreError: another program still holds the lock after that time.
    """
    _make_folder(path)
    with _acquired(path, wait_seconds, this_node()).kept() as lease:
        yield lease


@contextmanager
def claimed(file: Path) -> Iterator[Lease]:
    """Hold a lease that nobody else takes, but that others look at; its file is removed at the end.

    Raises:
        FileExistsError: there is such a lease.
    """
    with Lease(file, this_node()).kept(remove=True) as lease:
        yield lease


def _acquired(path: Path, wait_seconds: float, node: Node) -> Lease:
    watch, give_up_at = Watch(node), node.monotonic() + wait_seconds
    while True:
        newest = max(_numbers(path), default=0)
        holder = watch.holder(path / str(newest), path) if newest else Holder.NONE
        lease = _taken(path, newest + 1, node) if holder is Holder.NONE else None
        if lease:
            return lease
        if holder is Holder.ALIVE and node.monotonic() >= give_up_at:
            raise StoreError(f"another process has held {path} for {wait_seconds:g} s; wait for it, then try again")
        node.sleep(LOOK_SECONDS if holder is Holder.UNKNOWN else _POLL_SECONDS)


def _taken(path: Path, number: int, node: Node) -> Lease | None:
    """Take a lock by creating this number; None where another was faster."""
    try:
        lease = Lease(path / str(number), node)
    except (FileExistsError, FileNotFoundError):
        return None
    if max(_numbers(path), default=0) != number:
        lease.give_back(remove=True)
        return None
    for other in path.iterdir():
        before, _, unfinished = other.name.partition(".")
        if before.isdecimal() and (unfinished or int(before) < number):
            other.unlink(missing_ok=True)
    return lease


def _numbers(path: Path) -> list[int]:
    return [int(entry.name) for entry in path.iterdir() if entry.name.isdecimal()]


def _make_folder(path: Path) -> None:
    if path.is_file():
        try:
            path.unlink(missing_ok=True)
        except (IsADirectoryError, PermissionError):  # another program was faster
            if not path.is_dir():
                raise
    path.mkdir(exist_ok=True)
