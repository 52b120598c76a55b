"""Leases: files that say who holds something, also to machines that do not see each other's `flock`.

A lease is a file that its holder creates, locks with `flock`, and rewrites every BEAT_SECONDS with a number that grows.
Others learn in two ways whether the holder lives:

- On the holder's machine by the `flock`, which the kernel gives back as soon as the holder ends, also after a kill.
- On another machine, where the `flock` may not be seen, or be seen after the holder's machine was switched off, by
  watching the file: a lease that does not change for DEAD_AFTER_SECONDS is dead. Each watches by its own monotonic
  clock, and a look counts for one second at most, so that neither wrong clocks nor a file server or a machine that
  stood still make a living holder look dead. No times of two machines are compared anywhere.

A lease that is given back says so in its content, or is removed, and nobody waits for it.

A holder that could not write for that long, because its machine was stopped or its network was cut, may lose its lease.
It notices by `Lease.check`, since whoever takes something over removes its lease first.
"""

import errno
import fcntl
import json
import os
import platform
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from artifacts.atomic import NO_LINKS, disk_errors_named
from artifacts.errors import StoreError

BEAT_SECONDS = 5.0
DEAD_AFTER_SECONDS = 60.0
LOOK_SECONDS = 1.0  # between two looks at the lease of another machine, and the most that one look counts for
_SIZE = 160  # bytes; a content of one size is overwritten in place
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NO_FLOCK = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)  # the file system has none


def _flock(descriptor: int, exclusive: bool) -> bool | None:
    """Try to lock a file; return False where another has locked it, and None where files cannot be locked at all."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_FLOCK:
            return None
        raise
    return True


def _machine() -> str:
    """Return what distinguishes this machine, since it was started, from all others."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()  # all containers of a machine have it in common
    except OSError:
        return f"{platform.node()}-{uuid.getnode():x}"


@dataclass(frozen=True)
class Node:
    """A machine, as leases see it.

    Attributes:
        machine: what distinguishes it from all others.
        flock: tries to lock an open file; see `_flock`.
        monotonic: its clock, in seconds.
        sleep: waits for some seconds.
    """

    machine: str = field(default_factory=_machine)
    flock: Callable[[int, bool], bool | None] = _flock
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


_THIS_NODE = Node()


def this_node() -> Node:
    """Return the machine on which this program runs."""
    return _THIS_NODE


class Lease:
    """A lease that this program holds from now on.

    It gets its name when it is written and locked, so that nobody finds one of which he cannot tell whose it is. A kill
    before that leaves a file `NAME.TOKEN`.

    Args:
        file: the file.
        node: the machine on which this program runs.

    Raises:
        FileExistsError: there is such a lease.
        FileNotFoundError: somebody has removed the unfinished file.
    """

    def __init__(self, file: Path, node: Node) -> None:
        self.file = file
        self._machine = node.machine
        self._token = secrets.token_hex(8)
        self._beats = 0
        self._writing = threading.Lock()
        self._ended = threading.Event()
        unfinished = file.with_name(f"{file.name}.{self._token}")
        self._descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            node.flock(self._descriptor, True)
            _write(unfinished, self._content())
            _name(unfinished, self._descriptor, file)
        except BaseException:
            os.close(self._descriptor)
            raise
        finally:
            unfinished.unlink(missing_ok=True)

    @contextmanager
    def kept(self, *, remove: bool = False) -> Iterator["Lease"]:
        """Write beats while the block runs, and give the lease back when it ends.

        Args:
            remove: remove the file then.
        """
        try:
            threading.Thread(target=self._keep_beating, name="lease", daemon=True).start()
            yield self
        finally:
            self.give_back(remove=remove)

    def beat(self) -> None:
        """Show others that this program lives, unless the lease was given back or lost."""
        with self._writing:
            if not self._ended.is_set() and self._is_ours():
                self._beats += 1
                _write(self.file, self._content())

    def check(self, cause: Exception | None = None) -> None:
        """Check that the lease is still this program's.

        Args:
            cause: an error that may come from its loss.

        Raises:
            StoreError: another machine has taken it over.
        """
        with self._writing:
            if self._is_ours():
                return
        raise StoreError(
            f"{self.file} was taken over by another program, or removed, since this one seemed to be dead: it could "
            f"not write it for {DEAD_AFTER_SECONDS:g} s; start it again"
        ) from cause

    def give_back(self, *, remove: bool) -> None:
        """End the lease. An error of the disk is passed over: others then watch the lease until it is dead."""
        self._ended.set()
        with self._writing, suppress(OSError):
            if remove:
                self.file.unlink(missing_ok=True)
            elif self._is_ours():
                _write(self.file, _FREE)
        os.close(self._descriptor)  # last, since it ends the `flock`

    def _keep_beating(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with suppress(OSError):  # a disk that works again before others give up does no harm
                self.beat()

    def _content(self) -> bytes:
        return _padded({"machine": self._machine, "token": self._token, "beats": self._beats})

    def _is_ours(self) -> bool:
        try:
            return _read(self.file).get("token") == self._token
        except FileNotFoundError:
            return False


class Holder(Enum):
    """What is known of the holder of a lease."""

    NONE = "it was given back, or its holder is dead"
    ALIVE = "its holder lives"
    UNKNOWN = "it is another machine's, and has not been watched for long enough"


@dataclass(frozen=True)
class _Look:
    """What was seen of a lease: its content, since when, when, and whether it ever changed."""

    content: tuple[str, bytes]
    at: float
    unchanged_s: float = 0.0
    changed: bool = False


class Watch:
    """Finds out whether holders of leases live.

    Args:
        node: the machine that watches.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._looks: dict[Path, _Look] = {}

    def holder(self, file: Path, lock: Path | None = None) -> Holder:
        """Return what is known of the holder of a lease, after another look at it.

        Args:
            file: the lease.
            lock: what it is a lease of, where its leases have different names in turn.
        """
        try:
            descriptor = os.open(file, os.O_RDONLY)
        except FileNotFoundError:
            return Holder.NONE
        try:
            raw = os.pread(descriptor, _SIZE, 0)
            machine = _parsed(raw).get("machine", "")
            flocked = self._node.flock(descriptor, False) if machine == self._node.machine else None
        finally:
            os.close(descriptor)
        if machine is None or flocked:
            return Holder.NONE
        return Holder.ALIVE if flocked is False else self._watched(lock or file, (file.name, raw))

    def settle(self, files: Iterable[Path]) -> None:
        """Wait until it is known of all these leases whether their holders live."""
        waiting = list(files)
        while waiting := [file for file in waiting if self.holder(file) is Holder.UNKNOWN]:
            self._node.sleep(LOOK_SECONDS)

    def _watched(self, lock: Path, content: tuple[str, bytes]) -> Holder:
        last, now = self._looks.get(lock), self._node.monotonic()
        if last is None or last.content != content:
            look = _Look(content, now, changed=last is not None)
        else:
            unchanged_s = last.unchanged_s + min(now - last.at, LOOK_SECONDS)
            look = _Look(content, now, unchanged_s, last.changed)
        self._looks[lock] = look
        if look.unchanged_s >= DEAD_AFTER_SECONDS:
            return Holder.NONE
        return Holder.ALIVE if look.changed else Holder.UNKNOWN


def _name(unfinished: Path, descriptor: int, file: Path) -> None:
    """Give a file a second name, which it must not have yet."""
    try:
        os.link(unfinished, file)
    except FileExistsError:
        if os.fstat(descriptor).st_nlink < 2:  # else NFS asked twice, since it missed the answer that it was done
            raise
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        os.replace(unfinished, file)


def _write(file: Path, content: bytes) -> None:
    # NFS makes what is written visible to other machines when the file is closed.
    with disk_errors_named(file):
        descriptor = os.open(file, os.O_WRONLY)
        try:
            os.pwrite(descriptor, content, 0)
        finally:
            os.close(descriptor)


def _padded(content: dict[str, str | int | None]) -> bytes:
    return json.dumps(content).encode().ljust(_SIZE - 1) + b"\n"


_FREE = _padded({"machine": None})


def _read(file: Path) -> dict[str, object]:
    return _parsed(file.read_bytes())


def _parsed(raw: bytes) -> dict[str, object]:
    """Return the content of a lease; nothing where it has none yet, or where it is being written."""
    try:
        content = json.loads(raw)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
