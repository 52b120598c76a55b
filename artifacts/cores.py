"""The number of processor cores that this process may use."""

import os


def usable_cores() -> int:
    """Return the number of cores in this process's affinity; of all cores where the system knows no affinity."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
