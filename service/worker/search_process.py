"""The worker process, which holds one version: `python -m service.worker.search_process`, started by the service.

Each of its search threads has its own socket, on which batches of queries arrive and answers go back. One more thread
does nothing but answer heartbeats, also while the version is loaded. The process ends when the other side closes the
sockets, and when one of its threads fails.

All threads of a Python process share one lock, so a process of its own means that HTTP and searches do not wait for
each other, that loading a version stalls nobody, that a crash in native code does not end the service, and that the
memory of a version is freed together with its process.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from service.core.errors import DeviceLostError, SearchFailedError, UnknownVersionError, VersionRefusedError
from service.core.freeze_gc import freeze_gc
from service.core.logs import EventLog, set_up_logs
from service.core.threads import lower_thread_priority
from service.protocol.answers import BatchAnswer, BatchSeconds
from service.protocol.messages import (
    Message,
    MessageBuffer,
    answer_to_message,
    error_to_json,
    queries_from_message,
    receive,
)
from service.protocol.queries import Query
from service.protocol.worker_config import WorkerConfig

if TYPE_CHECKING:  # these imports take as long as loading a small version, and so happen while the version is loaded
    from service.worker.loaded_version import LoadedVersion

_log = EventLog(__name__)
# A third of a search thread's share of a busy processor: loading ends even while searches keep all processors busy.
LOADING_NICENESS = 5


def serve(
    load: "Callable[[], LoadedVersion]",
    control: socket.socket,
    channels: Sequence[socket.socket],
    index_threads: int,
    on_hang_up: Callable[[], None],
    loading_niceness: int,
) -> None:
    """Load a version, report the result, and answer batches until the other side closes its sockets.

    Args:
        load: loads the version; raises UnknownVersionError or VersionRefusedError.
        control: the socket on which the result of loading is reported and heartbeats are answered.
        channels: the sockets on which batches arrive; each has a thread of its own.
        index_threads: the number of threads that FAISS uses for each batch if a GPU encodes; otherwise it uses one.
        on_hang_up: called by each thread when its socket has been closed, or when it cannot go on.
        loading_niceness: by how much the priority of this thread, which loads the version, is lowered.
    """
    loaded: Future[LoadedVersion] = Future()
    control_lock = threading.Lock()
    # These threads are started first, so that they keep their priority when that of this thread is lowered.
    for number, channel in enumerate(channels):
        work = partial(_serve_channel, channel, loaded, index_threads)
        _start_thread(f"vitrine-search-{number}", work, on_hang_up)
    heartbeats = _start_thread("vitrine-heartbeat", partial(_answer_heartbeats, control, control_lock), on_hang_up)
    lower_thread_priority(loading_niceness)
    try:
        version = load()
        freeze_gc()
        report: object = {"version": version.describe().model_dump(mode="json")}
    except (UnknownVersionError, VersionRefusedError) as error:
        report = {"refused": error_to_json(error)}
    except Exception:
        _log.exception("load_failed")
        report = {"broken": True}
    else:
        loaded.set_result(version)
        del version
    with control_lock, suppress(OSError):  # the other side may have given up
        control.sendall(Message(report).to_bytes())
    heartbeats.join()  # until the other side closes the socket
    control.close()


def _start_thread(name: str, work: Callable[[], None], on_end: Callable[[], None]) -> threading.Thread:
    """Start a daemon thread that calls `on_end` when its work ends or fails: no socket is left without its thread."""

    def run() -> None:
        try:
            work()
        except BaseException:  # a panic in a library written in Rust is no Exception
            _log.exception("search_thread_failed", thread=name)
        finally:
            on_end()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def _answer_heartbeats(control: socket.socket, lock: threading.Lock) -> None:
    """Send each heartbeat back at once, whatever the other threads do, until the socket is closed."""
    buffer = MessageBuffer()
    while (heartbeat := receive(control, buffer)) is not None:
        with lock:
            if not _send(control, heartbeat.to_bytes()):
                return


def _serve_channel(channel: socket.socket, loaded: "Future[LoadedVersion]", index_threads: int) -> None:
    """Answer the batches of one channel until it is closed."""
    buffer = MessageBuffer()
    with channel:
        first = receive(channel, buffer)
        if first is not None:
            _answer_batches(first, channel, buffer, loaded.result(), index_threads)


def _answer_batches(
    first: Message, channel: socket.socket, buffer: MessageBuffer, version: "LoadedVersion", index_threads: int
) -> None:
    from knn import set_threads
    from service.worker.batch_executor import answer_batch

    set_threads(1 if version.encoder_device.gpu is None else index_threads)
    answer = partial(answer_batch, version=version)
    message: Message | None = first
    while message is not None and _send(channel, _reply_to(message, answer)):
        message = receive(channel, buffer)


def _reply_to(message: Message, answer: Callable[[Sequence[Query]], BatchAnswer]) -> bytes:
    """Return the reply to a batch; where it cannot be read, answered or packed, each of its searches has failed.

    Raises:
        DeviceLostError: no batch can be answered any more; the process ends, and the service starts another.
    """
    try:
        return answer_to_message(answer(queries_from_message(message))).to_bytes()
    except DeviceLostError as error:
        _log.error("device_lost", reason=str(error))
        raise
    except BaseException:  # as in `_start_thread`
        _log.exception("reply_failed", searches=len(message.head))
    failure = SearchFailedError("the search failed inside the service; its log says why")
    return answer_to_message(BatchAnswer([failure] * len(message.head), BatchSeconds(0, 0, 0, 0, 0))).to_bytes()


def _send(connection: socket.socket, content: bytes) -> bool:
    """Send a message; False if the other side has closed the connection."""
    try:
        connection.sendall(content)
    except OSError:
        return False
    return True


def main() -> None:
    """Run a worker process as the configuration in the first argument says."""
    # A terminal sends these signals to the whole process group; the service decides when a worker ends.
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    # A batch has a few short queries: the tokenizer's own threads would cost more than they save.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    config = WorkerConfig.model_validate_json(sys.argv[1])
    set_up_logs(config.log_format)
    control, *channels = (socket.socket(fileno=number) for number in (config.control_fd, *config.channel_fds))
    niceness = LOADING_NICENESS if config.yields_to_searches else 0
    serve(partial(_load, config), control, channels, config.index_threads, _exit, niceness)
    _exit()


def _load(config: WorkerConfig) -> "LoadedVersion":
    from artifacts.store import Store
    from service.worker.loaded_version import load_version
    from service.worker.memory import release_freed_memory

    version = load_version(
        Store(config.store),
        config.version_id,
        device=config.device,
        encoder_threads=config.encoder_threads,
        photo_search=config.photo_search,
        max_bytes=config.max_bytes,
    )
    release_freed_memory()
    return version


def _exit() -> None:
    """End the process at once and at low priority.

    The system frees the memory of a process faster than Python frees objects one by one, and searches go first.
    """
    lower_thread_priority(LOADING_NICENESS)
    os._exit(0)


if __name__ == "__main__":
    main()
