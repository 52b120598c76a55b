"""Garbage collection kept short."""

import gc

_YOUNG = 20_000  # objects made before the young ones are looked at: by default 700, which took a twentieth of the loop


def exempt_from_collection() -> None:
    """Let the garbage collector look no more at what lives now, which is the program itself and what it serves.

    A full collection looks at every object: that stalled all searches for 0.1 s about once a second under load. What
    is let go of is still freed at once, unless it is part of a cycle.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG)
