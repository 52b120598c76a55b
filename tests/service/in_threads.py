"""Versions that threads of the test's own process search, over the same sockets and by the same code as workers."""

import os
import threading
from collections.abc import Callable
from contextlib import ExitStack

from service.dispatch.child_process import Child
from service.dispatch.version_process import Opener, TimeLimits, VersionProcess, connect, socket_count, socket_pairs
from service.worker.loaded_version import LoadedVersion
from service.worker.search_process import LOADING_NICENESS, serve
from tests.service.waiting import WAIT_SECONDS

Loader = Callable[[str], LoadedVersion]


# Longer than any test holds a thread.
TIME_LIMITS = TimeLimits(load_seconds=2 * WAIT_SECONDS, batch_seconds=2 * WAIT_SECONDS, photo_seconds=2 * WAIT_SECONDS)


def in_threads(
    load: Loader, search_threads: int = 1, index_threads: int = 1, limits: TimeLimits = TIME_LIMITS
) -> Opener:
    """Return an opener whose workers are threads, which nobody can kill, and whose versions come from `load`."""

    async def open_version(version_id: str) -> VersionProcess:
        with ExitStack() as worker_ends:
            ours, (control, *channels) = socket_pairs(socket_count(search_threads), worker_ends)
            worker_ends.pop_all()  # the thread closes them
            thread = threading.Thread(
                target=serve,
                args=(lambda: load(version_id), control, channels, index_threads, lambda: None, LOADING_NICENESS),
                name="vitrine-process",
                daemon=True,
            )
            thread.start()
        child = Child(os.getpid(), lambda seconds: thread.join(seconds or WAIT_SECONDS), lambda: None)
        return await connect(version_id, ours, child, limits)

    return open_version
