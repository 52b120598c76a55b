"""A worker process that loads its version and then neither answers nor exits, until it is killed."""

import socket
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field

from service.dispatch.version_process import VersionProcess, connect, socket_count, socket_pairs
from service.protocol.messages import Message
from tests.service.stand_ins import stand_in_version


@dataclass
class UnresponsiveWorkers:
    """Opens such processes, each with one search thread.

    Attributes:
        killed: for each process that was opened, whether it has been killed.
    """

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
        report = {"version": stand_in_version(version_id).describe().model_dump(mode="json")}
        theirs[0].sendall(Message(report).to_bytes())
        return await connect(version_id, ours, 0, killed.wait, killed.set)

    def close(self) -> None:
        """Close the workers' ends of all sockets."""
        for end in self._sockets:
            end.close()
