"""Versions searched by threads of the test's own process, over the same sockets and by the same code as in theirs."""

import os
import threading
from collections.abc import Callable
from contextlib import ExitStack

from service.dispatch.version_process import Opener, VersionProcess, connect, socket_pairs
from service.worker.loaded_version import LoadedVersion
from service.worker.search_process import serve

Loader = Callable[[str], LoadedVersion]


def in_threads(load: Loader, line_count: int = 1, index_threads: int = 1) -> Opener:
    """An opener of what `load` gives."""

    async def open_version(version_id: str) -> VersionProcess:
        with ExitStack() as theirs:
            ours, (control, *lines) = socket_pairs(line_count + 2, theirs)
            theirs.pop_all()  # the thread closes them
            thread = threading.Thread(
                target=serve,
                args=(lambda: load(version_id), control, lines, index_threads, lambda: None),
                name="vitrine-process",
                daemon=True,
            )
            thread.start()
        return await connect(version_id, ours, os.getpid(), lambda: thread.join(10), lambda: None)

    return open_version
