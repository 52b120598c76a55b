"""Gradient caching (GradCache, Gao et al. 2021): batches whose activations do not fit into memory at once.

All chunks are encoded without keeping activations, and the loss is computed on the vectors of all of them. In the
backward pass each chunk is encoded again, and the gradient of its vectors is propagated through it. The gradients
are those of the whole batch; activations are kept for one chunk at a time.

torch's checkpointing does this for each chunk. It restores the state of random numbers (a photo is mirrored in both
passes or in neither) and of autocast. For DistributedDataParallel it is one backward pass like any other.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def encode_in_chunks(encode: Callable[[Tensor], Tensor], rows: Tensor, chunk_size: int | None) -> Tensor:
    """Return the vectors of rows, encoded `chunk_size` at a time: (n,) -> (n, D).

    Args:
        encode: returns the vectors of some rows, each independent of the other rows.
        rows: the rows to encode.
        chunk_size: number of rows in a chunk; None encodes all at once and keeps all activations.
    """
    if chunk_size is None or len(rows) <= chunk_size:
        return encode(rows)
    chunks: tuple[Tensor, ...] = rows.split(chunk_size)  # type: ignore[no-untyped-call]
    return torch.cat([checkpoint(encode, chunk, use_reentrant=False) for chunk in chunks])


def has_batch_statistics(module: nn.Module) -> bool:
    """Return whether a trained module's vectors depend on the other rows of the batch, as with BatchNorm."""
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())
