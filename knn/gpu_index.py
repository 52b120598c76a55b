"""What every index on a GPU has in common."""

import threading
from abc import ABC, abstractmethod

from .index import VectorIndex


class GpuVectorIndex(VectorIndex, ABC):
    """An index that searches on a GPU; made by `to_gpu`.

    The CPU index stays in memory: it gives vectors back and is what a file gets. Searches from several threads
    are safe but take turns. Call `close` on the thread that searched, when no search is running; memory on the
    GPU is free afterwards.

    Args:
        cpu_index: The index that is copied.
    """

    def __init__(self, cpu_index: VectorIndex) -> None:
        super().__init__(cpu_index.faiss_index, cpu_index.index_bytes)
        self._cpu_index = cpu_index  # keeps the wrapped FAISS index alive
        self._search_lock = threading.Lock()

    @abstractmethod
    def close(self) -> None:
        """Free the memory on the GPU. Closing twice is fine; searching afterwards is an error."""
