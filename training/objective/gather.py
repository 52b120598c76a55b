"""What the processes of a fit share: each encodes a part of every batch, and all see all vectors.

The batch of a step is the same in each process. A process takes the loss over its own pairs against the
products of all; its encoders get the gradients that the losses of all processes have by its vectors, so that
the mean of the processes' gradients, which DistributedDataParallel takes, is that of one process with the
whole batch.

With one process, a share is the whole and nothing is sent.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def share_of_pairs(pairs: int) -> slice:
    """This process's pairs of a batch; their number is a multiple of that of the processes."""
    rank, processes = _place()
    size = pairs // processes
    return slice(rank * size, (rank + 1) * size)


def share_of_rows(rows: Tensor) -> Tensor:
    """This process's part of (n,) rows, equally long in each: the last parts begin again at the first rows."""
    rank, processes = _place()
    size = -(-len(rows) // processes)
    return rows[torch.arange(rank * size, (rank + 1) * size, device=rows.device) % len(rows)]


def gather(vectors: Tensor) -> Tensor:
    """The vectors of all processes, in their order, with gradients: (m, D) in each -> (processes * m, D)."""
    if _place()[1] == 1:
        return vectors
    gathered: Tensor = _Gather.apply(vectors)
    return gathered


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor) -> Tensor:
        """Every process's rows under each other."""
        gathered = vectors.new_empty(dist.get_world_size() * len(vectors), vectors.shape[1])
        dist.all_gather_into_tensor(gathered, vectors.contiguous())
        return gathered

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """What all processes' losses ask of this one's rows, summed."""
        (gradient,) = gradients
        own = gradient.new_empty(len(gradient) // dist.get_world_size(), gradient.shape[1])
        dist.reduce_scatter_tensor(own, gradient.contiguous())
        return own


def _place() -> tuple[int, int]:
    """This process's rank, and how many there are."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
