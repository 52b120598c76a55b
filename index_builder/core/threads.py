"""The number of threads that a build may use."""

import os

from artifacts.cores import usable_cores


def thread_count() -> int:
    """Return OMP_NUM_THREADS where it is set, as torch and FAISS do; otherwise the cores that this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return usable_cores()
