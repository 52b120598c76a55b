"""The number of threads that a build may use."""

import os


def core_count() -> int:
    """Return OMP_NUM_THREADS where it is set, as torch and FAISS do; otherwise the cores that this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
