"""Sharing a batch among the processes of a fit: each encodes a part of it, and all see all vectors.

The batch of a step is the same in each process. A process computes the loss over its own pairs against the
products of all processes. Its encoders get the gradients of all processes' losses with respect to its vectors, so
that the mean of the processes' gradients, which DistributedDataParallel computes, is the gradient of one process
with the whole batch.

With one process, the share is the whole batch and nothing is sent.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def share_of_pairs(pairs: int) -> slice:
    """Return this process's slice of a batch of `pairs` pairs, a multiple of the number of processes."""
    rank, processes = _place()
    size = pairs // processes
    return slice(rank * size, (rank + 1) * size)


def share_of_rows(rows: Tensor) -> Tensor:
    """Return this process's part of (n,) rows; parts have one length, for which the last ones repeat the first rows."""
    rank, processes = _place()
    size = -(-len(rows) // processes)
    return rows[torch.arange(rank * size, (rank + 1) * size, device=rows.device) % len(rows)]


def gather(vectors: Tensor) -> Tensor:
    """Return the vectors of all processes in their order, with gradients: (m, D) in each -> (processes * m, D)."""
    if _place()[1] == 1:
        return vectors
    gathered: Tensor = _Gather.apply(vectors)
    return gathered


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor) -> Tensor:
        """Concatenate the rows of all processes."""
        gathered = vectors.new_empty(dist.get_world_size() * len(vectors), vectors.shape[1])
        dist.all_gather_into_tensor(gathered, vectors.contiguous())
        return gathered

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Sum the gradients of all processes' losses with respect to this process's rows."""
        (gradient,) = gradients
        own = gradient.new_empty(len(gradient) // dist.get_world_size(), gradient.shape[1])
        dist.reduce_scatter_tensor(own, gradient.contiguous())
        return own


def _place() -> tuple[int, int]:
    """Return this process's rank and the number of processes."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
