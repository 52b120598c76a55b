"""A cache that is bounded in bytes and drops the least recently used values first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedCache(Generic[Key, Value]):
    """Values by key. It is not safe for several threads at once.

    Args:
        max_bytes: the size of all values together.
        size: returns the size of a value in bytes.

    Attributes:
        bytes: the size of all values that are kept now.
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
        if self._size(value) > self._max_bytes:
            return
        before = self._values.pop(key, None)
        self._values[key] = value
        self.bytes += self._size(value) - (0 if before is None else self._size(before))
        while self.bytes > self._max_bytes:
            _, oldest = self._values.popitem(last=False)
            self.bytes -= self._size(oldest)

    def clear(self) -> None:
        """Drop all values."""
        self._values.clear()
        self.bytes = 0
