"""Values by key, the latest used kept, bounded in bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedCache(Generic[Key, Value]):
    """Not for several threads at once.

    Args:
        max_bytes: Of all values together.
        size: Bytes of a value.

    Attributes:
        bytes: Of all values that are kept.
    """

    def __init__(self, max_bytes: int, size: Callable[[Value], int]) -> None:
        self._max_bytes = max_bytes
        self._size = size
        self._values: OrderedDict[Key, Value] = OrderedDict()  # the latest used last
        self.bytes = 0

    def get(self, key: Key) -> Value | None:
        """The value of a key, if it is kept."""
        found = self._values.get(key)
        if found is not None:
            self._values.move_to_end(key)
        return found

    def put(self, key: Key, value: Value) -> None:
        """Keep a value, and forget the ones that were not used for longest where there is no room."""
        if self._size(value) > self._max_bytes:
            return
        before = self._values.pop(key, None)
        self._values[key] = value
        self.bytes += self._size(value) - (0 if before is None else self._size(before))
        while self.bytes > self._max_bytes:
            _, oldest = self._values.popitem(last=False)
            self.bytes -= self._size(oldest)

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
        self.bytes = 0
