"""A process that holds one version and searches it: `python -m service.worker.search_process`, begun by the service.

Each of its threads has a socket of its own on which batches of queries come, and sends back what they find. It ends
when the other side hangs up. Python has one lock for all threads of a process: since the process that speaks HTTP is
another one, neither waits for the other's, a version that is loaded stalls nobody, what breaks a process breaks no
service, and the memory of a version goes with its process.
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

from service.core.errors import UnknownVersionError, VersionRefusedError
from service.core.freeze_gc import freeze_gc
from service.core.logs import EventLog, set_up_logs
from service.core.threads import lower_thread_priority
from service.protocol.messages import Message, Order, Unpacker, error_to_json, queries_of, receive

if TYPE_CHECKING:  # what a search needs is imported where it is loaded, which takes as long as a small version does
    from service.worker.loaded_version import LoadedVersion

_log = EventLog(__name__)
# Leaves a third of a search thread's weight: loading still ends where searches keep all processors busy.
_LOADING_NICENESS = 5


def serve(
    load: "Callable[[], LoadedVersion]",
    control: socket.socket,
    lines: Sequence[socket.socket],
    index_threads: int,
    hung_up: Callable[[], None],
) -> None:
    """Load a version, tell what it is or why it cannot be served, and search it until the other side hangs up.

    Args:
        load: Gives the version; UnknownVersionError, VersionRefusedError.
        control: On which it is told of.
        lines: On which batches come.
        index_threads: Of FAISS, for each batch.
        hung_up: Called by each thread whose line was closed.
    """
    loaded: Future[LoadedVersion] = Future()
    for number, line in enumerate(lines):
        work = partial(_answer, line, loaded, index_threads, hung_up)
        threading.Thread(target=work, name=f"vitrine-search-{number}", daemon=True).start()
    lower_thread_priority(_LOADING_NICENESS)  # the search threads were started before and keep theirs
    try:
        version = load()
        freeze_gc()
        told: object = {"version": version.describe().model_dump(mode="json")}
    except (UnknownVersionError, VersionRefusedError) as error:
        told = {"refused": error_to_json(error)}
    except Exception:
        _log.exception("load_failed")
        told = {"broken": True}
    else:
        loaded.set_result(version)
        del version
    with suppress(OSError):  # nobody waits for it any more
        control.sendall(Message(told).packed())
    receive(control, Unpacker())  # nothing comes but the end
    control.close()


def _answer(
    line: socket.socket, loaded: "Future[LoadedVersion]", index_threads: int, hung_up: Callable[[], None]
) -> None:
    """Answer the batches of one line until it is closed."""
    unpacker = Unpacker()
    with line, suppress(OSError):
        first = receive(line, unpacker)
        if first is not None:
            _answer_all(first, line, unpacker, loaded.result(), index_threads)
    hung_up()


def _answer_all(
    first: Message, line: socket.socket, unpacker: Unpacker, version: "LoadedVersion", index_threads: int
) -> None:
    from knn import set_threads
    from service.worker.batch_executor import answer_batch

    set_threads(index_threads)
    message: Message | None = first
    while message is not None:
        line.sendall(answer_batch(queries_of(message), version).to_message().packed())
        message = receive(line, unpacker)


def main() -> None:
    """Do what the order in the first argument says."""
    for ignored in (signal.SIGINT, signal.SIGTERM):  # which a terminal sends to the whole group: the service decides
        signal.signal(ignored, signal.SIG_IGN)
    # A batch has a few short queries: the tokenizer's own threads would cost more than they save.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    order = Order.model_validate_json(sys.argv[1])
    set_up_logs(order.log_format)
    control, *lines = (socket.socket(fileno=number) for number in (order.control, *order.lines))
    serve(partial(_load, order), control, lines, order.index_threads, _end)
    _end()


def _load(order: Order) -> "LoadedVersion":
    from artifacts.store import Store
    from service.worker.loaded_version import load_version
    from service.worker.memory import give_back_freed

    version = load_version(
        Store(order.store),
        order.version_id,
        device=order.device,
        encoder_threads=order.encoder_threads,
        photo_search=order.photo_search,
        most_bytes=order.most_bytes,
    )
    give_back_freed()
    return version


def _end() -> None:
    """End at once: the system takes memory back faster than who frees it piece by piece, and lets searches go first."""
    lower_thread_priority(_LOADING_NICENESS)
    os._exit(0)


if __name__ == "__main__":
    main()
