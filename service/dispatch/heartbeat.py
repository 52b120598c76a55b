"""Notices a worker process that hangs: it is there, but answers nothing.

A heartbeat goes to the worker twice a second, and a thread that does nothing else sends it back. This shows that the
process runs at all; that its search threads run is seen by the batches that they answer.

Time is counted in beats that this process had itself: where its event loop was held up, or the whole machine was
suspended, the worker may have had no time either, and all waits start anew.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from service.dispatch.worker_channel import ControlChannel, WorkerChannel

BEAT_SECONDS = 0.5
_LATE_SECONDS = 1.0  # after which a beat of this process is too late to count


@dataclass
class _Wait:
    """How long a connection has been waiting for a reply.

    Attributes:
        connection: the connection.
        most_seconds: after which the process hangs.
        what: what the process has not answered.
    """

    connection: ControlChannel | WorkerChannel
    most_seconds: float
    what: str
    replies: int = field(default=0, init=False)  # that had arrived by the last beat
    seconds: float = field(default=0.0, init=False)

    def note_beat(self) -> None:
        """Count one more beat, or none if a reply has arrived or nothing is waited for."""
        is_waiting = bool(self.connection.pending) and self.connection.replies == self.replies
        self.seconds = self.seconds + BEAT_SECONDS if is_waiting else 0.0
        self.replies = self.connection.replies


async def hanging(
    control: ControlChannel, silence_seconds: float, channels: Sequence[tuple[WorkerChannel, float]] = ()
) -> str:
    """Wait until a worker process hangs, for as long as it takes, and return what it has not answered, as a clause.

    Args:
        control: the connection for heartbeats.
        silence_seconds: the longest time in which the process may leave a heartbeat unanswered.
        channels: the connections to its search threads, each with the longest time in seconds in which the thread may
            answer no batch although it has one.
    """
    loop = asyncio.get_running_loop()
    waits = [_Wait(control, silence_seconds, "no heartbeat")]
    waits += [_Wait(channel, most_seconds, "no batch of searches") for channel, most_seconds in channels]
    while True:
        control.beat()
        due_at = loop.time() + BEAT_SECONDS
        await asyncio.sleep(BEAT_SECONDS)
        if loop.time() - due_at > _LATE_SECONDS:
            for wait in waits:
                wait.seconds = 0.0
            continue
        for wait in waits:
            wait.note_beat()
            if wait.seconds >= wait.most_seconds:
                return f"answered {wait.what} for {wait.seconds:g} s"
