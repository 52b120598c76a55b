"""How many threads a build may use."""

import os


def core_count() -> int:
    """OMP_NUM_THREADS where it is set, as torch and FAISS take it themselves; otherwise all cores.

    All cores are those that this process may run on.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
