"""A version in a worker process, as the event loop sees it: started, asked over several channels at once, and ended."""

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
from service.protocol.messages import Message, MessageBuffer, error_from_json
from service.protocol.served_version import ServedVersion
from service.protocol.worker_config import WorkerConfig

_COMMAND = [sys.executable, "-m", "service.worker.search_process"]
# The time that a worker process gets to answer its last batches, and then again to exit before it is killed.
SHUTDOWN_STEP_SECONDS = 5.0
_POLL_SECONDS = 0.005


class WorkerChannel(asyncio.Protocol):
    """The connection to one search thread of a worker process. Replies come in the order of the messages.

    Args:
        on_lost: called when the connection has been closed.
    """

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._on_lost = on_lost
        self._buffer = MessageBuffer()
        self._transport: asyncio.WriteTransport | None = None
        self._reply_callbacks: deque[Callable[[Message | None], None]] = deque()

    @property
    def pending(self) -> int:
        """How many replies have not arrived yet."""
        return len(self._reply_callbacks)

    def send(self, message: Message, on_reply: Callable[[Message | None], None]) -> None:
        """Send a message.

        Args:
            message: the message.
            on_reply: called with the reply, or with None if the connection is closed before it arrives.
        """
        if self._transport is None or self._transport.is_closing():
            on_reply(None)
            return
        self._reply_callbacks.append(on_reply)
        self._transport.write(message.to_bytes())

    def expect(self, on_message: Callable[[Message | None], None]) -> None:
        """Wait for a message that the worker sends unasked; the callback is called as in `send`."""
        self._reply_callbacks.append(on_message)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; called by the event loop."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Hand each complete message to the callback that waits for it; called by the event loop."""
        self._buffer.add(data)
        while (message := self._buffer.next()) is not None:
            self._reply_callbacks.popleft()(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everyone who waits for a reply that none will come; called by the event loop."""
        self._transport = None
        while self._reply_callbacks:
            self._reply_callbacks.popleft()(None)
        self._on_lost()


class VersionProcess:
    """A worker process that has loaded a version. Its methods are called on the event loop.

    Args:
        served: the version that it has loaded.
        control: the channel on which it reported the version.
        channels: one channel for each of its threads: those that search, one for searches by photo, and one for
            look-ups of products.
        pid: its process id.
        wait: blocks until the process has ended.
        kill: ends the process by force.

    Attributes:
        served: the version that it has loaded.
        search_channels: the channels for searches by text or product.
        photo_channels: the channels for searches by photo.
        lookup_channels: the channels for look-ups of products, which need not wait for any search.
        pid: its process id.
        on_lost: called when the process ends without having been asked to.
    """

    def __init__(
        self,
        served: ServedVersion,
        control: WorkerChannel,
        channels: Sequence[WorkerChannel],
        pid: int,
        wait: Callable[[], object],
        kill: Callable[[], None],
    ) -> None:
        self.served = served
        self.search_channels, self.photo_channels, self.lookup_channels = channels[:-2], channels[-2:-1], channels[-1:]
        self.pid = pid
        self.on_lost: Callable[[], None] = lambda: None
        self._control = control
        self._channels = channels
        self._wait = wait
        self._kill = kill

    async def shut_down(self) -> None:
        """Wait for the replies to pending batches and end the process, within twice SHUTDOWN_STEP_SECONDS.

        A process that does not reply in the first of these steps, or does not exit in the second, is killed.
        """
        self.on_lost = lambda: None
        loop = asyncio.get_running_loop()
        deadline_at = loop.time() + SHUTDOWN_STEP_SECONDS
        while any(channel.pending for channel in self._channels) and loop.time() < deadline_at:
            await asyncio.sleep(_POLL_SECONDS)
        for channel in (*self._channels, self._control):
            channel.close()
        exited = asyncio.ensure_future(run_in_daemon_thread(self._wait, "vitrine-end"))
        done, _ = await asyncio.wait({exited}, timeout=SHUTDOWN_STEP_SECONDS)
        if not done:
            self._kill()
            await exited


Opener = Callable[[str], Awaitable[VersionProcess]]  # raises UnknownVersionError or VersionRefusedError


async def open_version(version_id: str, config: WorkerConfig, search_threads: int) -> VersionProcess:
    """Start a worker process that loads a version, and wait until it can be asked.

    Args:
        version_id: the version's name in the store.
        config: the worker's configuration, without the version and the sockets.
        search_threads: the number of its search threads, without those for photos and look-ups.

    Raises:
        UnknownVersionError: the store has no such version.
        VersionRefusedError: the version cannot be served, or the process ended while it loaded it.
        SearchFailedError: loading failed unexpectedly; the log says why.
    """
    with ExitStack() as worker_ends:
        ours, theirs = socket_pairs(socket_count(search_threads), worker_ends)
        control, *channels = (end.fileno() for end in theirs)
        update = {"version_id": version_id, "control_fd": control, "channel_fds": tuple(channels)}
        command = [*_COMMAND, config.model_copy(update=update).model_dump_json()]
        # The configuration holds all settings that the worker needs. Others, secrets among them, must not reach it.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
        start = partial(subprocess.Popen, command, pass_fds=(control, *channels), env=environment)
        process = await run_in_daemon_thread(start, "vitrine-begin")
    return await connect(version_id, ours, process.pid, process.wait, process.kill)


def socket_count(search_threads: int) -> int:
    """Return how many sockets a worker needs: one for each search thread, and those for control, photos, look-ups."""
    return search_threads + 3


def socket_pairs(count: int, worker_ends: ExitStack) -> tuple[list[socket.socket], list[socket.socket]]:
    """Return connected sockets for a worker process.

    Args:
        count: how many pairs.
        worker_ends: closes the worker's ends in this process when it is closed.

    Returns:
        The ends for the event loop, which do not block, and the ends for the worker.
    """
    pairs = [socket.socketpair() for _ in range(count)]
    for ours, theirs in pairs:
        ours.setblocking(False)
        worker_ends.enter_context(theirs)
    return [ours for ours, _ in pairs], [theirs for _, theirs in pairs]


async def connect(
    version_id: str,
    sockets: Sequence[socket.socket],
    pid: int,
    wait: Callable[[], Any],
    kill: Callable[[], None],
) -> VersionProcess:
    """Wait until a worker process has loaded its version; see `open_version` for errors.

    Args:
        version_id: the version that it loads.
        sockets: the sockets to it: first the one for control, then one for each of its threads.
        pid: its process id.
        wait: blocks until it has ended and returns its exit code.
        kill: ends it by force.
    """
    loop = asyncio.get_running_loop()
    opened: list[VersionProcess] = []

    def handle_loss() -> None:
        if opened:
            process, opened[:] = opened[0], []
            _reap(wait)
            process.on_lost()

    control, *channels = (WorkerChannel(handle_loss) for _ in sockets)
    report: asyncio.Future[Message | None] = loop.create_future()
    control.expect(lambda message: None if report.done() else report.set_result(message))
    try:
        for channel, end in zip((control, *channels), sockets, strict=True):
            await loop.create_unix_connection(partial(_identity, channel), sock=end)
        message = await report
        if message is None:
            code = await run_in_daemon_thread(wait, "vitrine-end")
            raise VersionRefusedError(f"version {version_id}: its worker process ended {_describe_exit(code)}")
        if "refused" in message.head:
            raise error_from_json(message.head["refused"])
        if "broken" in message.head:
            raise SearchFailedError(
                "an unexpected error occurred while the version was loaded; the log has the details"
            )
    except BaseException:
        for channel in (control, *channels):
            channel.close()
        kill()
        _reap(wait)
        raise
    served = ServedVersion.model_validate(message.head["version"])
    process = VersionProcess(served, control, channels, pid, wait, kill)
    opened.append(process)
    return process


def _reap(wait: Callable[[], object]) -> None:
    """Wait in the background for a process that is ending, so that it does not stay behind as a zombie."""
    threading.Thread(target=wait, name="vitrine-end", daemon=True).start()


def _identity(channel: WorkerChannel) -> WorkerChannel:
    return channel


def _describe_exit(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"by {name}" + (", perhaps because memory ran out" if name == "SIGKILL" else "")
    return f"with exit code {code}"
