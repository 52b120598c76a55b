"""A cache that is bounded in bytes, keys included, and drops the least recently used values first."""

import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

# Of the ordered dictionary, for each entry: its places in the hash table, which has room to grow, and in the list.
# Measured with tracemalloc: 75 to 200, the more the longer ago the table last grew.
ENTRY_BYTES = 200


class BoundedCache(Generic[Key, Value]):
    """Values by key. It is not safe for several threads at once.

    Args:
        max_bytes: the size of all entries together.
        size: returns the size of a value in bytes. Keys and the dictionary are counted here.

    Attributes:
        bytes: the size of all entries that are kept now.
    """

    def __init__(self, max_bytes: int, size: Callable[[Value], int]) -> None:
        self._max_bytes = max_bytes
        self._size = size
        self._values: OrderedDict[Key, Value] = OrderedDict()  # the most recently used last
        self.bytes = 0

    def get(self, key: Key) -> Value | None:
        """Return the value of a key; None if it is not kept."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Keep a value; the least recently used ones are dropped to make room."""
        if self._entry_bytes(key, value) > self._max_bytes:
            return
        before = self._values.pop(key, None)
        self._values[key] = value
        self.bytes += self._entry_bytes(key, value) - (0 if before is None else self._entry_bytes(key, before))
        while self.bytes > self._max_bytes:
            oldest = self._values.popitem(last=False)
            self.bytes -= self._entry_bytes(*oldest)

    def clear(self) -> None:
        """Drop all values."""
        self._values.clear()
        self.bytes = 0

    def _entry_bytes(self, key: Key, value: Value) -> int:
        return ENTRY_BYTES + _key_bytes(key) + self._size(value)


def _key_bytes(key: Hashable) -> int:
    """Return the size of a key with the parts of a tuple, also those that others share."""
    parts = sum(map(_key_bytes, key)) if isinstance(key, tuple) else 0
    return sys.getsizeof(key) + parts
