"""The number of OpenMP threads that FAISS uses."""

from collections.abc import Iterator
from contextlib import contextmanager

import faiss

from .errors import ArgumentError


def set_threads(thread_count: int) -> None:
    """Set how many threads FAISS uses in searches and builds that the calling thread starts.

    OpenMP keeps this number per calling thread: set in the main thread, it has no effect on a worker thread, which
    would use every core. Call it in each thread that searches, for example as the initializer of a pool:

        ThreadPoolExecutor(2, initializer=set_threads, initargs=(1,))

    Concurrent searches multiply the threads: 2 callers with 4 threads each keep 8 cores busy. For many single queries
    one thread per search is best; a batch or a build benefits from all cores.

    Args:
        thread_count: At least 1.

    Raises:
        ArgumentError: The number is not a whole number of at least 1.
    """
    if type(thread_count) is not int or thread_count < 1:
        raise ArgumentError(f"thread_count: expected a whole number of at least 1, got {thread_count!r}")
    faiss.omp_set_num_threads(thread_count)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let searches of the calling thread use one OpenMP thread inside the block, and as many as before after it."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
