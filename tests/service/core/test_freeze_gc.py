"""Garbage collection kept short."""

import gc
import weakref

from service.core.freeze_gc import exempt_from_collection


def test_what_lives_is_exempt_from_collection_and_still_freed_when_let_go_of() -> None:
    class Node:
        pass

    kept, in_cycle = Node(), Node()
    in_cycle.itself = in_cycle  # type: ignore[attr-defined]
    forgotten, cyclic = weakref.ref(kept), weakref.ref(in_cycle)
    before, threshold = gc.get_freeze_count(), gc.get_threshold()
    try:
        exempt_from_collection()
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
