"""The base class of indexes on a GPU."""

import threading
from abc import ABC, abstractmethod

from .index import VectorIndex


class GpuVectorIndex(VectorIndex, ABC):
    """An index that is searched on a GPU; created by `to_gpu`.

    The CPU index stays in memory: vectors are reconstructed from it, and it is what `write_index` writes. Several
    threads may search at once; their searches run one after the other. Call `close` from the thread that searched,
    when no search is running, to free the memory on the GPU.

    Args:
        cpu_index: The index that was copied.
    """

    def __init__(self, cpu_index: VectorIndex) -> None:
        super().__init__(cpu_index.faiss_index, cpu_index.index_bytes)
        self._cpu_index = cpu_index  # keeps the wrapped FAISS index alive
        self._search_lock = threading.Lock()

    @abstractmethod
    def close(self) -> None:
        """Free the memory on the GPU. Closing twice is allowed; searching a closed index is an error."""
