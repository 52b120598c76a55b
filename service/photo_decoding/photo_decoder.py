"""Decodes photos in a process of its own, which is started when the first photo comes."""

import os
import socket
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from artifacts.tower_specs import PhotoInput
from service.core.errors import SearchFailedError
from service.core.logs import EventLog
from service.protocol.messages import Message, MessageBuffer, receive
from towers.errors import PhotoError

_log = EventLog(__name__)
_COMMAND = [sys.executable, "-m", "service.photo_decoding.decoder_process"]
_START_SECONDS = 60.0  # its imports take less than a second on an idle machine
_ANSWER_SECONDS = 6.0  # the process ends itself before, unless it was stopped
# The rest of the environment, secrets among it, must not reach it.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG")
_LITTLE_MEMORY = {
    "OPENBLAS_NUM_THREADS": "1",  # each thread would reserve memory
    "OMP_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": "1000000",  # bytes; larger blocks go back to the system when they are freed
}


@dataclass(frozen=True, eq=False)
class _Child:
    """A started process."""

    popen: "subprocess.Popen[bytes]"
    connection: socket.socket
    buffer: MessageBuffer = field(default_factory=MessageBuffer)

    def ask(self, message: Message | None, seconds: float) -> Message | None:
        """Send a message, if any, and return the reply; None if none came in time."""
        self.connection.settimeout(seconds)
        try:
            if message is not None:
                self.connection.sendall(message.to_bytes())
        except OSError:
            return None
        return receive(self.connection, self.buffer)

    def end(self) -> int:
        """Kill the process and return its exit code."""
        self.popen.kill()
        self.connection.close()
        return self.popen.wait()


class PhotoDecoder:
    """Decodes one photo at a time; any number of threads may use it at once.

    A photo that makes the process crash, take too long or take too much memory is refused, and the next photo finds a
    new process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._end: weakref.finalize[Any, Any] | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process; None while there is none."""
        child = self._child
        return child.popen.pid if child else None

    def pixels(self, content: bytes, name: str, photo: PhotoInput) -> npt.NDArray[np.uint8]:
        """Decode and resize a photo; see `towers.photos.read_photo`.

        Args:
            content: the content of the photo's file.
            name: the name of the photo in error messages.
            photo: the size that a tower reads.

        Raises:
            PhotoError: the photo cannot be used.
            SearchFailedError: the process cannot be started.
        """
        reply = self._ask(name, Message(("pixels", name, photo.model_dump(mode="json")), content))
        return np.frombuffer(reply.body, np.uint8).reshape(reply.head["shape"])

    def thumbnail(self, content: bytes, name: str, longest_edge: int, quality: int) -> bytes:
        """Return a photo as WebP; see `towers.thumbnails.thumbnail_of` and `pixels` for errors."""
        return self._ask(name, Message(("thumbnail", name, longest_edge, quality), content)).body

    def stop(self) -> None:
        """End the process; a photo that it decodes is refused."""
        if self._end is not None:
            self._end()

    def _ask(self, name: str, request: Message) -> Message:
        with self._lock:
            child = self._running()
            reply = child.ask(request, _ANSWER_SECONDS)
            if reply is None:
                self._child = None
                exit_code = child.end()
                _log.warning("photo_decoder_lost", exit_code=exit_code, photo_bytes=len(request.body))
                raise PhotoError(
                    "unreadable", f"{name} is no readable picture: it makes the decoder fail or takes too long"
                )
        if "reason" in reply.head:
            raise PhotoError(reply.head["reason"], reply.head["message"])
        return reply

    def _running(self) -> _Child:
        """Return the process, which is started if there is none or somebody ended it."""
        if self._child is not None:
            if self._child.popen.poll() is None:
                return self._child
            self._child.end()
        self._child = _start()
        self._end = weakref.finalize(self, self._child.end)
        if self._child.ask(None, _START_SECONDS) is None:
            self._child.end()
            self._child = None
            raise SearchFailedError("the process that decodes photos did not start; the log says why")
        return self._child


def _start() -> _Child:
    ours, theirs = socket.socketpair()
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    with theirs:
        popen = subprocess.Popen(
            [*_COMMAND, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            env={**environment, **_LITTLE_MEMORY},
        )
    return _Child(popen, ours)
