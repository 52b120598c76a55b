"""Garbage collection kept short."""

import gc
import weakref

from service.core.freeze_gc import freeze_gc


def test_what_lives_is_freeze_gc_and_still_freed_when_let_go_of() -> None:
    class Node:
        pass

    kept, in_cycle = Node(), Node()
    in_cycle.itself = in_cycle  # type: ignore[attr-defined]
    forgotten, cyclic = weakref.ref(kept), weakref.ref(in_cycle)
    before, threshold = gc.get_freeze_count(), gc.get_threshold()
    try:
        freeze_gc()
        assert gc.get_freeze_count() > before
        del kept, in_cycle
        assert forgotten() is None
        gc.collect()
        assert cyclic() is not None, "it was exempt"
    finally:
        gc.unfreeze()
        gc.set_threshold(*threshold)
    gc.collect()
    assert cyclic() is None
