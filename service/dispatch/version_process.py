"""A version in a worker process, as the event loop sees it: loaded, asked over several channels at once, and ended."""

import asyncio
import math
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Any

from service.core.background_tasks import start_apart
from service.core.errors import SearchFailedError, VersionRefusedError
from service.core.logs import EventLog
from service.core.settings import variable_name
from service.core.threads import run_in_daemon_thread
from service.dispatch.child_process import Child, Children, describe_exit
from service.dispatch.heartbeat import hanging
from service.dispatch.worker_channel import ControlChannel, WorkerChannel, WorkerConnection
from service.protocol.messages import Message, error_from_json
from service.protocol.served_version import ServedVersion
from service.protocol.worker_config import WorkerConfig

_log = EventLog(__name__)
# The time that a worker process gets to answer its last batches, and then again to exit before it is killed.
SHUTDOWN_STEP_SECONDS = 5.0
# The longest time without an answer to a heartbeat. Importing large libraries and reading models holds Python's lock
# for seconds where the disk is slow.
SILENCE_SECONDS, LOADING_SILENCE_SECONDS = 4.0, 20.0
_EXIT_SECONDS = 0.5  # for a process that has closed a connection to exit, so that its exit code says why
_REAP_SECONDS = 1.0  # for the system to end a process that was killed
_POLL_SECONDS = 0.005


@dataclass(frozen=True)
class TimeLimits:
    """How long a worker process that answers heartbeats may take.

    Attributes:
        load_seconds: to load a version, which `VITRINE_LOAD_SECONDS` sets.
        batch_seconds: to answer a batch of searches.
        photo_seconds: to answer a search by photo, for which a process that decodes photos may have to be started.
    """

    load_seconds: float
    batch_seconds: float
    photo_seconds: float


class VersionProcess:
    """A worker process that has loaded a version. Its methods are called on the event loop.

    A process that ends unasked or hangs is lost: it is killed, and its unanswered batches have no answers.

    Args:
        served: the version that it has loaded.
        control: the connection for heartbeats.
        channels: one channel for each of its threads: those that search, one for searches by photo, and one for
            look-ups of products.
        child: the process.
        limits: how long its threads may take.

    Attributes:
        served: the version that it has loaded.
        search_channels: the channels for searches by text or product.
        photo_channels: the channels for searches by photo.
        lookup_channels: the channels for look-ups of products, which need not wait for any search.
        pid: its process id.
    """

    def __init__(
        self,
        served: ServedVersion,
        control: ControlChannel,
        channels: Sequence[WorkerChannel],
        child: Child,
        limits: TimeLimits,
    ) -> None:
        self.served = served
        self.search_channels, self.photo_channels, self.lookup_channels = channels[:-2], channels[-2:-1], channels[-1:]
        self.pid = child.pid
        self._channels = channels
        self._connections = (control, *channels)
        self._child = child
        self._is_ending = False
        self._loss: str | None = None
        self._on_lost: Callable[[str], None] = lambda how: None
        for connection in self._connections:
            connection.on_lost = partial(self._lose, "ended", _EXIT_SECONDS)
        self._watch = start_apart(self._watch_for_hanging(control, limits))
        if not all(connection.is_open for connection in self._connections):
            self._lose("ended", _EXIT_SECONDS)

    def when_lost(self, on_lost: Callable[[str], None]) -> None:
        """Call `on_lost` when the process is lost, or has been already, with a clause that says how."""
        self._on_lost = on_lost
        if self._loss is not None:
            asyncio.get_running_loop().call_soon(on_lost, self._loss, context=Context())  # it belongs to no request

    async def shut_down(self, by: float = math.inf) -> None:
        """Wait for the replies to pending batches and end the process, within twice SHUTDOWN_STEP_SECONDS.

        A process that does not reply in the first of these steps, or does not exit in the second, is killed.

        Args:
            by: the time of the event loop's clock at which the process is killed in any case.
        """
        if self._is_ending:
            return
        self._is_ending = True
        self._watch.cancel()
        loop = asyncio.get_running_loop()
        reply_by = min(by, loop.time() + SHUTDOWN_STEP_SECONDS)
        has_exited = False
        try:
            while any(channel.pending for channel in self._channels) and loop.time() < reply_by:
                await asyncio.sleep(_POLL_SECONDS)
            for connection in self._connections:
                connection.close()
            exit_seconds = max(0.0, min(by - loop.time(), SHUTDOWN_STEP_SECONDS))
            exited = asyncio.ensure_future(run_in_daemon_thread(partial(self._child.wait, None), "vitrine-end"))
            has_exited = bool((await asyncio.wait({exited}, timeout=exit_seconds))[0])
        finally:
            if not has_exited:
                self._abort()
        if not has_exited:
            await run_in_daemon_thread(partial(self._child.wait, _REAP_SECONDS), "vitrine-end")

    async def _watch_for_hanging(self, control: ControlChannel, limits: TimeLimits) -> None:
        seconds = {channel: limits.batch_seconds for channel in self._channels}
        seconds |= {channel: limits.photo_seconds for channel in self.photo_channels}
        how = await hanging(control, SILENCE_SECONDS, list(seconds.items()))
        _log.error("search_process_hung", version=self.served.version_id, pid=self.pid, reason=how)
        self._lose(f"{how} and was killed")

    def _lose(self, how: str, grace_seconds: float = 0.0) -> None:
        if self._is_ending:
            return
        self._is_ending = True
        self._loss = how
        self._watch.cancel()
        self._abort(grace_seconds)
        self._on_lost(how)

    def _abort(self, grace_seconds: float = 0.0) -> None:
        """Close the connections at once, so that all unanswered batches fail, and kill the process."""
        for connection in self._connections:
            connection.abort()
        self._child.end(grace_seconds)


Opener = Callable[[str], Awaitable[VersionProcess]]  # raises UnknownVersionError or VersionRefusedError


async def open_version(
    version_id: str, config: WorkerConfig, search_threads: int, children: Children, limits: TimeLimits
) -> VersionProcess:
    """Start a worker process that loads a version, and wait until it can be asked.

    Args:
        version_id: the version's name in the store.
        config: the worker's configuration, without the version and the sockets.
        search_threads: the number of its search threads, without those for photos and look-ups.
        children: starts the process.
        limits: how long it may take.

    Raises:
        UnknownVersionError: the store has no such version.
        VersionRefusedError: the version cannot be served, or the process ended, hung or took too long as it loaded it.
        SearchFailedError: loading failed unexpectedly; the log says why.
    """
    with ExitStack() as worker_ends:
        ours, theirs = socket_pairs(socket_count(search_threads), worker_ends)
        control, *channels = (end.fileno() for end in theirs)
        update = {"version_id": version_id, "control_fd": control, "channel_fds": tuple(channels)}
        argument = config.model_copy(update=update).model_dump_json()
        start = partial(children.start, argument, (control, *channels))
        child = await run_in_daemon_thread(start, "vitrine-begin")
    return await connect(version_id, ours, child, limits)


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
    version_id: str, sockets: Sequence[socket.socket], child: Child, limits: TimeLimits
) -> VersionProcess:
    """Wait until a worker process has loaded its version; see `open_version` for errors.

    Args:
        version_id: the version that it loads.
        sockets: the sockets to it: first the one for control, then one for each of its threads.
        child: the process.
        limits: how long it may take.
    """
    loop = asyncio.get_running_loop()
    control, channels = ControlChannel(), [WorkerChannel() for _ in sockets[1:]]
    try:
        for connection, end in zip((control, *channels), sockets, strict=True):
            # What happens on a connection later has nothing to do with the request that asked for the version.
            await start_apart(loop.create_unix_connection(partial(_identity, connection), sock=end))
        message = await _report(version_id, control, child, limits.load_seconds)
        if "refused" in message.head:
            raise error_from_json(message.head["refused"])
        if "broken" in message.head:
            raise SearchFailedError(
                "an unexpected error occurred while the version was loaded; the log has the details"
            )
        served = ServedVersion.model_validate(message.head["version"])
    except BaseException:
        for connection in (control, *channels):
            connection.abort()
        child.end()
        raise
    return VersionProcess(served, control, channels, child, limits)


async def _report(version_id: str, control: ControlChannel, child: Child, load_seconds: float) -> Message:
    """Wait for a worker process to report that it has loaded its version or cannot.

    Raises:
        VersionRefusedError: the process ended, hangs, or takes too long.
    """
    hung = start_apart(hanging(control, LOADING_SILENCE_SECONDS))
    try:
        ends: tuple[asyncio.Future[Any], ...] = (control.report, hung)
        await asyncio.wait(ends, timeout=load_seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hung.cancel()
    if control.report.done():
        message = control.report.result()
        if message is not None:
            return message
        code = await run_in_daemon_thread(partial(child.wait, SHUTDOWN_STEP_SECONDS), "vitrine-end")
        raise VersionRefusedError(f"version {version_id}: its worker process ended {describe_exit(code)}")
    if hung.done():
        reason = hung.result()
        _log.error("search_process_hung", version=version_id, pid=child.pid, reason=reason, loading=True)
        raise VersionRefusedError(f"version {version_id}: while loading, its worker process {reason} and was killed")
    raise VersionRefusedError(
        f"version {version_id}: it was not loaded within {load_seconds:g} s; "
        f"{variable_name('load_seconds')} allows more"
    )


def _identity(connection: WorkerConnection) -> WorkerConnection:
    return connection
