"""Exact search in half precision with PyTorch: blocked matrix products and top-k.

It needs no FAISS for a GPU, answers a batch as fast as the GPU reads all products once, and respects filters. PyTorch
is imported only when an index is created, so that a service on a CPU runs without it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import faiss
import numpy as np

from .errors import DeviceError
from .gpu_index import GpuVectorIndex
from .index import VectorIndex
from .neighbours import NO_ROW, NO_SCORE, Neighbours, no_neighbours
from .operating_point import OperatingPoint

if TYPE_CHECKING:
    import torch

Dtype = Literal["float16", "bfloat16", "float32"]

# Queries and float32 scores in memory at once: 256 MiB of scores, or one query over 67 million products.
QUERIES_AT_ONCE = 1024
SCORES_AT_ONCE = 1 << 26
# Scores, the filter's, and those that the selection of the best copies.
_SCORE_COPIES = 3
# Numbers converted to float32 at once on devices that cannot multiply half precision into float32: 64 MiB.
CONVERTED_AT_ONCE = 1 << 24
# Vectors reconstructed by the CPU index at once: 64 MiB at a width of 256.
_BLOCK_ROWS = 65_536


class TorchExactIndex(GpuVectorIndex):
    """An index whose rows PyTorch holds in half precision and scores completely in every search.

    Products of half-precision numbers are summed in single precision: at a width of 256 scores are off by about 1e-5.
    The CPU index stays in memory, as with every `GpuVectorIndex`.

    Args:
        cpu_index: An index of a type that scores every row; see `scores_every_row`.
        device: The device as PyTorch names it: ``cuda:0``, or ``cpu`` for tests.
        dtype: The number type in which the products are held.

    Raises:
        DeviceError: PyTorch is not installed or has no such device, the device's memory is too small, or the index has
            inverted lists or coarse codes.
    """

    def __init__(self, cpu_index: VectorIndex, device: str = "cuda:0", dtype: Dtype = "float16") -> None:
        if not scores_every_row(cpu_index):
            raise DeviceError(
                f"an index of type {cpu_index.index_type} does not score every row; give it to to_gpu, or build "
                "one of type 'Flat' or 'SQfp16'"
            )
        super().__init__(cpu_index)
        try:
            self._products: torch.Tensor | None = _upload(cpu_index, device, dtype)
        except (ImportError, AssertionError, RuntimeError) as exc:
            raise DeviceError(
                f"PyTorch could not hold {cpu_index.count} vectors of width {cpu_index.width} in {dtype} "
                f"on {device}: {exc}"
            ) from exc

    def close(self) -> None:
        """Free the memory on the device. Closing twice is allowed; searching a closed index is an error."""
        with self._search_lock:
            on_gpu = self._products is not None and self._products.is_cuda
            self._products = None
            if on_gpu:
                import torch

                torch.cuda.empty_cache()

    def _search_all(self, queries: np.ndarray, k: int, point: OperatingPoint) -> Neighbours:
        return self._search_device(queries, k, None)

    def _search_filtered(self, queries: np.ndarray, k: int, point: OperatingPoint, mask: np.ndarray) -> Neighbours:
        return self._search_device(queries, k, mask)

    def _search_device(self, queries: np.ndarray, k: int, mask: np.ndarray | None) -> Neighbours:
        found = no_neighbours(len(queries), k)
        with self._search_lock:
            if self._products is None:
                raise DeviceError("this GPU index is closed; move the CPU index to the GPU again with to_gpu")
            try:
                for chunk, scores, rows in _search(self._products, queries, min(k, self.count), mask):
                    found.scores[chunk, : scores.shape[1]] = scores
                    found.rows[chunk, : rows.shape[1]] = rows
            except RuntimeError as exc:
                raise DeviceError(f"the GPU failed in a search of {len(queries)} queries: {exc}") from exc
        found.rows[found.scores == NO_SCORE] = NO_ROW
        return found


def scores_every_row(index: VectorIndex) -> bool:
    """Return whether this CPU index is a plain table in single or half precision, which PyTorch can hold too."""
    table = index.faiss_index
    if isinstance(index, GpuVectorIndex):
        return False
    half = isinstance(table, faiss.IndexScalarQuantizer) and table.sq.qtype == faiss.ScalarQuantizer.QT_fp16
    return half or type(table) in (faiss.IndexFlat, faiss.IndexFlatIP)


def torch_index_bytes(index: VectorIndex) -> int:
    """Return the memory that this index takes on a GPU: its vectors in half precision, and the scores of a search."""
    scores = min(SCORES_AT_ONCE, QUERIES_AT_ONCE * index.count)
    return 2 * index.count * index.width + _SCORE_COPIES * 4 * scores


def _upload(index: VectorIndex, device: str, dtype: Dtype) -> "torch.Tensor":
    """Copy the vectors to the device, shape (count, d), in blocks so that not all are in memory in float32 at once."""
    import torch

    products = torch.empty(index.count, index.width, dtype=getattr(torch, dtype), device=device)
    for start in range(0, index.count, _BLOCK_ROWS):
        rows = np.arange(start, min(start + _BLOCK_ROWS, index.count))
        products[start : start + len(rows)] = torch.from_numpy(index.reconstruct(rows)).to(device)
    return products


def _search(
    products: "torch.Tensor", queries: np.ndarray, k: int, mask: np.ndarray | None
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield chunks of queries with their scores (n, k) and rows (n, k), best first; -inf where no row matched."""
    import torch

    if k == 0:
        return
    with torch.inference_mode():
        marked = None if mask is None else torch.tensor(mask, device=products.device)
        for start in range(0, len(queries), QUERIES_AT_ONCE):
            chunk = slice(start, start + QUERIES_AT_ONCE)
            asked = torch.tensor(queries[chunk], device=products.device, dtype=products.dtype)
            scores, rows = _best(products, asked, k, marked)
            yield chunk, scores.cpu().numpy(), rows.cpu().numpy()


def _best(
    products: "torch.Tensor", queries: "torch.Tensor", k: int, marked: "torch.Tensor | None"
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Return scores (n, k) float32 and rows (n, k) int64 of the best rows, computed block by block."""
    import torch

    best_scores = torch.empty(len(queries), 0, device=products.device)
    best_rows = torch.empty(len(queries), 0, dtype=torch.int64, device=products.device)
    block_rows = _block_rows(products, len(queries))
    for start in range(0, len(products), block_rows):
        block = slice(start, start + block_rows)
        scores = _scores(queries, products[block])  # (n, rows)
        if marked is not None:
            scores.masked_fill_(~marked[block], NO_SCORE)
        scores, rows = scores.topk(min(k, scores.shape[1]))
        best_scores, best_rows = torch.cat([best_scores, scores], 1), torch.cat([best_rows, rows + start], 1)
        best_scores, places = best_scores.topk(min(k, best_scores.shape[1]))
        best_rows = best_rows.gather(1, places)
    return best_scores, best_rows


def _block_rows(products: "torch.Tensor", query_count: int) -> int:
    rows = SCORES_AT_ONCE // query_count
    if not _multiplies_into_float32(products):
        rows = min(rows, CONVERTED_AT_ONCE // products.shape[1])
    return max(1, rows)


def _scores(queries: "torch.Tensor", products: "torch.Tensor") -> "torch.Tensor":
    """Compute inner products, (n, d) and (rows, d) -> (n, rows), in float32, since half precision would cause ties."""
    import torch

    if _multiplies_into_float32(products):
        return torch.mm(queries, products.T, out_dtype=torch.float32)
    return queries.float() @ products.float().T


def _multiplies_into_float32(products: "torch.Tensor") -> bool:
    return products.is_cuda and products.element_size() == 2
