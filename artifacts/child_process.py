"""What a program sees to when it starts others."""

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with_parent() -> None:
    """Have the system end this process when its parent ends, in whatever way, where it can (Linux).

    Otherwise it could outlive its parent, and the next run would write the same files at the same time. A program calls
    this between fork and exec, as `preexec_fn`, and starts others only in its main thread: the system takes the end of
    the thread that started a process for the end of its parent.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
