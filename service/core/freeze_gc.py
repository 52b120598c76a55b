"""Short garbage collections for a process that lives long."""

import gc

# New objects until the young generation is collected. With Python's default of 700, collections took a twentieth of the
# event loop's time.
_YOUNG_THRESHOLD = 20_000


def freeze_gc() -> None:
    """Exclude all objects that exist now, which are the program and what it serves, from garbage collection.

    A full collection visits every object: under load it stalled all searches for 0.1 s about once a second. Frozen
    objects are still freed as soon as nothing refers to them, unless they are part of a reference cycle.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_THRESHOLD)
