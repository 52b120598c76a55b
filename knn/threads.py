"""How many OpenMP threads FAISS uses."""

from collections.abc import Iterator
from contextlib import contextmanager

import faiss

from .errors import ArgumentError


def set_threads(thread_count: int) -> None:
    """Let FAISS use this many threads in searches and builds started by the calling thread.

    OpenMP keeps this number per calling thread: set in the main thread, it says nothing for a worker, which
    would use every core. So call it in each thread that searches, for instance as the initializer of its
    pool:

        ThreadPoolExecutor(2, initializer=set_threads, initargs=(1,))

    Searches that run at the same time multiply: 2 callers with 4 threads each keep 8 cores busy. One thread
    per search serves many single queries best; a batch or a build gains from all cores.

    Args:
        thread_count: At least 1.

    Raises:
        ArgumentError: Not a whole number of at least 1.
    """
    if type(thread_count) is not int or thread_count < 1:
        raise ArgumentError(f"thread_count: expected a whole number of at least 1, got {thread_count!r}")
    faiss.omp_set_num_threads(thread_count)


@contextmanager
def one_thread() -> Iterator[None]:
    """Searches of the calling thread use one OpenMP thread inside, and as many as before afterwards."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
