"""A version in a process of its own, as the event loop sees it: begun, asked on several lines at once, and ended."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, cast

from service.core.errors import SearchFailedError, VersionRefusedError
from service.core.settings import ENV_PREFIX
from service.core.threads import run_in_daemon_thread
from service.protocol.messages import Message, Order, Unpacker, error_of_json
from service.protocol.served_version import ServedVersion

_COMMAND = [sys.executable, "-m", "service.worker.search_process"]
_PATIENCE_SECONDS = 5.0  # until a process that was told to end is killed


class Line(asyncio.Protocol):
    """A thread of a search process: batches go there, and their answers come back in the same order.

    Args:
        on_lost: Called when the other side has hung up.
    """

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._on_lost = on_lost
        self._unpacker = Unpacker()
        self._transport: asyncio.WriteTransport | None = None
        self._expected: deque[Callable[[Message | None], None]] = deque()

    @property
    def expected(self) -> int:
        """Messages that it waits for."""
        return len(self._expected)

    def ask(self, message: Message, on_answer: Callable[[Message | None], None]) -> None:
        """Send a message.

        Args:
            message: That is sent.
            on_answer: Called with what comes back, or with None when nothing will any more.
        """
        if self._transport is None or self._transport.is_closing():
            on_answer(None)
            return
        self._expected.append(on_answer)
        self._transport.write(message.packed())

    def hear(self, on_message: Callable[[Message | None], None]) -> None:
        """Wait for a message without asking for it; see `ask`."""
        self._expected.append(on_message)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line can be used."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._unpacker.add(data)
        while (message := self._unpacker.next()) is not None:
            self._expected.popleft()(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """The line cannot be used any more."""
        self._transport = None
        while self._expected:
            self._expected.popleft()(None)
        self._on_lost()


class VersionProcess:
    """A loaded version that can be asked. Its methods are called on the event loop.

    Args:
        served: What it told of itself.
        control: On which it told of itself.
        lines: A thread of it each; the last is for photos.
        pid: Of its process.
        wait: Waits until the process has ended.
        kill: Ends it by force.

    Attributes:
        served: What it told of itself.
        pid: Of its process.
        on_lost: Called when the process has ended by itself.
    """

    def __init__(
        self,
        served: ServedVersion,
        control: Line,
        lines: Sequence[Line],
        pid: int,
        wait: Callable[[], object],
        kill: Callable[[], None],
    ) -> None:
        self.served = served
        self.search_lines, self.photo_lines = lines[:-1], lines[-1:]
        self.pid = pid
        self.on_lost: Callable[[], None] = lambda: None
        self._control = control
        self._lines = lines
        self._wait = wait
        self._kill = kill

    async def end(self) -> None:
        """Let the threads answer what they were asked, and end the process."""
        self.on_lost = lambda: None
        give_up_at = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        while any(line.expected for line in self._lines) and asyncio.get_running_loop().time() < give_up_at:
            await asyncio.sleep(0.005)
        for line in (*self._lines, self._control):
            line.close()
        ended = asyncio.ensure_future(run_in_daemon_thread(self._wait, "vitrine-end"))
        done, _ = await asyncio.wait({ended}, timeout=_PATIENCE_SECONDS)
        if not done:
            self._kill()
            await ended


Opener = Callable[[str], Awaitable[VersionProcess]]  # UnknownVersionError, VersionRefusedError


async def open_version(version_id: str, order: Order, line_count: int) -> VersionProcess:
    """Begin a process that loads a version, and wait until it can be asked.

    Args:
        version_id: Its name in the store.
        order: What the process is told, but for the version and the sockets.
        line_count: Threads that search, besides the one for photos.

    Raises:
        UnknownVersionError: The store has no such version.
        VersionRefusedError: It cannot be served, or the process ended over it.
        SearchFailedError: Something broke; the log says what.
    """
    with ExitStack() as theirs:
        ours, given = socket_pairs(line_count + 2, theirs)
        control, *lines = (end.fileno() for end in given)
        told = order.model_copy(update={"version_id": version_id, "control": control, "lines": tuple(lines)})
        command = [*_COMMAND, told.model_dump_json()]
        # Settings reach it by the order alone, and secrets not at all.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
        begin = partial(subprocess.Popen, command, pass_fds=(control, *lines), env=environment)
        process = await run_in_daemon_thread(begin, "vitrine-begin")
    return await connect(version_id, ours, process.pid, process.wait, process.kill)


def socket_pairs(count: int, theirs: ExitStack) -> tuple[list[socket.socket], list[socket.socket]]:
    """So many pairs: the ends of the event loop, and those of the process, which close with `theirs`."""
    pairs = [socket.socketpair() for _ in range(count)]
    for ours, given in pairs:
        ours.setblocking(False)
        theirs.enter_context(given)
    return [ours for ours, _ in pairs], [given for _, given in pairs]


async def connect(
    version_id: str,
    ours: Sequence[socket.socket],
    pid: int,
    wait: Callable[[], Any],
    kill: Callable[[], None],
) -> VersionProcess:
    """Wait until a process can be asked over these sockets; see `open_version`.

    Args:
        version_id: That it loads.
        ours: The first tells of the version, the others are lines.
        pid: Of the process.
        wait: Waits until it has ended, and gives its exit code.
        kill: Ends it by force.
    """
    loop = asyncio.get_running_loop()
    opened: list[VersionProcess] = []

    def lost() -> None:
        if opened:
            process, opened[:] = opened[0], []
            _reap(wait)
            process.on_lost()

    control, *lines = (Line(lost) for _ in ours)
    told: asyncio.Future[Message | None] = loop.create_future()
    control.hear(partial(_set, told))
    try:
        for line, end in zip((control, *lines), ours, strict=True):
            await loop.create_unix_connection(partial(_given, line), sock=end)
        message = await told
        if message is None:
            code = await run_in_daemon_thread(wait, "vitrine-end")
            raise VersionRefusedError(f"version {version_id}: the process that was to search it ended {_how(code)}")
        if "refused" in message.head:
            raise error_of_json(message.head["refused"])
        if "broken" in message.head:
            raise SearchFailedError("something broke while the version was loaded; the log says what")
    except BaseException:
        for line in (control, *lines):
            line.close()
        kill()
        _reap(wait)
        raise
    process = VersionProcess(ServedVersion.model_validate(message.head["version"]), control, lines, pid, wait, kill)
    opened.append(process)
    return process


def _reap(wait: Callable[[], object]) -> None:
    """Wait for a process that is ending, or the system would keep its name."""
    threading.Thread(target=wait, name="vitrine-end", daemon=True).start()


def _given(line: Line) -> Line:
    return line


def _set(told: "asyncio.Future[Message | None]", message: Message | None) -> None:
    if not told.done():
        told.set_result(message)


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")
    return f"with exit code {code}"
