"""The process that decodes photos: `python -m service.photo_decoding.decoder_process`, started by PhotoDecoder.

It gets the content of files over a socket and returns pixels or thumbnails. It opens no files, may take no more memory
than a photo needs, and is the first to go when the machine runs out of memory.
"""

import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from artifacts.tower_specs import PhotoInput
from service.protocol.messages import Message, MessageBuffer, receive
from towers.errors import PhotoError
from towers.photos import read_photo
from towers.thumbnails import thumbnail_of

# Over what the process takes when it is idle. Decoding is refused before it takes 100 MB (towers/photos.py), and the
# file and a copy of it take 64 MB more; this limit is for pictures whose headers lie.
MAX_DATA_BYTES = 180_000_000
# For one photo; shorter than the time after which a search process that answers nothing counts as hung.
MAX_SECONDS = 5


def serve(connection: socket.socket) -> None:
    """Answer one request after another until the other side closes the socket.

    Args:
        connection: the socket.
    """
    buffer = MessageBuffer()
    connection.sendall(Message("ready").to_bytes())
    while (request := receive(connection, buffer)) is not None:
        signal.alarm(MAX_SECONDS)  # ends the process, also where nobody waits for it any more
        reply = answer(request)
        signal.alarm(0)
        del request
        connection.sendall(reply.to_bytes())


def answer(request: Message) -> Message:
    """Return the pixels or the thumbnail that a request asks for, or the reason why there is none."""
    kind, name, *fields = request.head
    try:
        if kind == "pixels":
            pixels = read_photo(request.body, name, PhotoInput.model_validate(fields[0]))
            return Message({"shape": pixels.shape}, pixels.tobytes())
        return Message({}, thumbnail_of(request.body, name, *fields))
    except PhotoError as error:
        return Message({"reason": error.reason, "message": str(error)})


def _limit_resources() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":  # elsewhere the limit has another meaning or none
        return
    idle_bytes = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    limit = idle_bytes + MAX_DATA_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def main() -> None:
    """Run the process over the socket whose file descriptor is the first argument."""
    # A terminal sends these signals to the whole process group; the process ends when its socket is closed.
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    connection = socket.socket(fileno=int(sys.argv[1]))
    _limit_resources()
    with suppress(OSError):  # the other side may have gone
        serve(connection)
    os._exit(0)


if __name__ == "__main__":
    main()
