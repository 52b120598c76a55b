"""The bound on the bytes of all uploads together that the process holds."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.core.errors import OverloadedError


class UploadBudget:
    """Counts the uploads that are being received, wait or are answered. It is used on the event loop.

    Args:
        max_bytes: the most bytes that they may have together.

    Attributes:
        taken_bytes: the bytes that they have now.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.taken_bytes = 0

    @contextmanager
    def reserve(self, size_bytes: int) -> Iterator[None]:
        """Count an upload until the block ends.

        Args:
            size_bytes: its length, or the most that it may have.

        Raises:
            OverloadedError: the uploads would have too many bytes together.
        """
        if self.taken_bytes + size_bytes > self._max_bytes:
            raise OverloadedError(
                f"uploads with {self.taken_bytes / 1e6:.1f} of {self._max_bytes / 1e6:g} MB are under way already; "
                "try again in a moment"
            )
        self.taken_bytes += size_bytes
        try:
            yield
        finally:
            self.taken_bytes -= size_bytes
