"""The connections to a worker process, as the event loop sees them."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import cast

from service.core.logs import EventLog
from service.protocol.messages import HEARTBEAT, Message, MessageBuffer

_log = EventLog(__name__)


class WorkerConnection(asyncio.Protocol, ABC):
    """A socket on which messages go to a worker process and come back.

    Attributes:
        replies: how many replies have arrived so far.
        on_lost: called when the connection has been closed, by either side.
    """

    def __init__(self) -> None:
        self.replies = 0
        self.on_lost: Callable[[], None] = lambda: None
        self._buffer = MessageBuffer()
        self._transport: asyncio.WriteTransport | None = None

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def write(self, message: Message) -> None:
        """Send a message over an open connection."""
        assert self._transport is not None
        self._transport.write(message.to_bytes())

    @abstractmethod
    def handle(self, message: Message) -> None:
        """Take a message that has arrived."""

    def close(self) -> None:
        """Close the connection after what was written has been sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection at once; the worker process does not read any more."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; called by the event loop."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Handle each complete message; called by the event loop. What cannot be read closes the connection."""
        self._buffer.add(data)
        try:
            while (message := self._buffer.next()) is not None:
                self.replies += 1
                self.handle(message)
        except Exception:
            _log.exception("broken_reply")
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Call `on_lost`; called by the event loop."""
        self._transport = None
        self.on_lost()


class WorkerChannel(WorkerConnection):
    """The connection to one search thread of a worker process. Replies come in the order of the messages."""

    def __init__(self) -> None:
        super().__init__()
        self._reply_callbacks: deque[Callable[[Message | None], None]] = deque()

    @property
    def pending(self) -> int:
        """How many replies have not arrived yet."""
        return len(self._reply_callbacks)

    def send(self, message: Message, on_reply: Callable[[Message | None], None]) -> None:
        """Send a message.

        Args:
            message: the message.
            on_reply: called with the reply, or with None if the connection is closed before it arrives. If it raises,
                the reply counts as broken and the connection is closed.
        """
        if not self.is_open:
            on_reply(None)
            return
        self._reply_callbacks.append(on_reply)
        self.write(message)

    def handle(self, message: Message) -> None:
        """Hand a reply to the callback that waits for it."""
        self._reply_callbacks.popleft()(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everyone who waits for a reply that none will come; called by the event loop."""
        self._transport = None
        while self._reply_callbacks:
            self._reply_callbacks.popleft()(None)
        super().connection_lost(exc)


class ControlChannel(WorkerConnection):
    """The connection on which a worker process reports how loading ended, and answers heartbeats at any time.

    Attributes:
        pending: how many heartbeats are unanswered, 0 or 1.
        report: the worker's report; None if the connection is closed before it arrives.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pending = 0
        self.report: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()

    def beat(self) -> None:
        """Send a heartbeat, unless one is still unanswered."""
        if self.is_open and not self.pending:
            self.pending = 1
            self.write(HEARTBEAT)

    def handle(self, message: Message) -> None:
        """Note the answer to a heartbeat, or the report."""
        if message == HEARTBEAT:
            self.pending = 0
        elif not self.report.done():
            self.report.set_result(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that no report will come; called by the event loop."""
        if not self.report.done():
            self.report.set_result(None)
        super().connection_lost(exc)
