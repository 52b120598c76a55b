"""A worker process that loads its version and then neither answers searches nor exits, until it is killed."""

import asyncio
import socket
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import cast

from service.dispatch.child_process import Child
from service.dispatch.version_process import TimeLimits, VersionProcess, connect, socket_count, socket_pairs
from service.protocol.messages import Message
from tests.service.stand_ins import stand_in_version

TIME_LIMITS = TimeLimits(load_seconds=100, batch_seconds=50, photo_seconds=80)


class _Echo(asyncio.Protocol):
    """The worker's end of the control socket: it sends back what it gets, which are heartbeats."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


@dataclass
class UnresponsiveWorkers:
    """Opens such processes, each with one search thread.

    Attributes:
        answers_heartbeats: whether the processes send heartbeats back.
        loads: whether the processes ever load their version.
        killed: for each process that was opened, whether it has been killed.
    """

    answers_heartbeats: bool = True
    loads: bool = True
    killed: list[threading.Event] = field(default_factory=list)
    _sockets: list[socket.socket] = field(default_factory=list)

    async def open_version(self, version_id: str) -> VersionProcess:
        """Open a process; see `service.dispatch.version_process.Opener`."""
        killed = threading.Event()
        self.killed.append(killed)
        with ExitStack() as worker_ends:
            ours, theirs = socket_pairs(socket_count(search_threads=1), worker_ends)
            worker_ends.pop_all()
        self._sockets += theirs
        if self.loads:
            report = {"version": stand_in_version(version_id).describe().model_dump(mode="json")}
            theirs[0].sendall(Message(report).to_bytes())
        if self.answers_heartbeats:
            theirs[0].setblocking(False)
            await asyncio.get_running_loop().create_unix_connection(_Echo, sock=theirs[0])
        child = Child(0, lambda seconds: -9 if killed.wait(seconds) else None, killed.set)
        return await connect(version_id, ours, child, TIME_LIMITS)

    def reply(self, place: int, content: bytes) -> None:
        """Let the process that was opened last send bytes on one of its sockets, which begin with that for control."""
        self._sockets[place - socket_count(search_threads=1)].sendall(content)

    def close(self) -> None:
        """Close the workers' ends of all sockets."""
        for end in self._sockets:
            end.close()
