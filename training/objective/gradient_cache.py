"""Gradient caching (GradCache, Gao et al. 2021): batches whose activations do not fit into memory at once.

All chunks are encoded without keeping activations and the loss is taken on the vectors of all of them; in the
backward pass each chunk is encoded again, with gradients, and the gradient of its vectors goes through it.
The gradients are those of the whole batch; activations are kept for one chunk at a time.

torch's checkpointing does this for each chunk. It brings random numbers (a photo is mirrored in both passes or
in none) and autocast back as they were. To DistributedDataParallel it is one backward pass like any other.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def encode_in_chunks(encode: Callable[[Tensor], Tensor], rows: Tensor, chunk_size: int | None) -> Tensor:
    """Vectors of rows, encoded `chunk_size` at a time: (n,) -> (n, D).

    Args:
        encode: gives the vectors of some rows, each independent of the other rows.
        rows: what is encoded.
        chunk_size: rows in a chunk; None encodes all at once, with all activations kept.
    """
    if chunk_size is None or len(rows) <= chunk_size:
        return encode(rows)
    chunks: tuple[Tensor, ...] = rows.split(chunk_size)  # type: ignore[no-untyped-call]
    return torch.cat([checkpoint(encode, chunk, use_reentrant=False) for chunk in chunks])


def has_batch_statistics(module: nn.Module) -> bool:
    """Whether a module's vectors depend on what else is in the batch (BatchNorm), when it is trained."""
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())
