"""How many processor cores training may use."""

import os


def core_count() -> int:
    """Return the number of cores that this process may run on: those of its affinity where the system has one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
