"""The memory that an index may take."""

import os
from pathlib import Path

from index_builder.core.errors import OptionError
from knn import Device

# While a service swaps versions, the old one and the new one are both in memory.
INDEX_SHARE = 0.5
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_budget(device: Device, budget_bytes: int | None = None, gpu: int = 0) -> int:
    """Return the given budget; without one, half the memory of this machine or, for "cuda", of its GPU `gpu`.

    Raises:
        OptionError: the budget is not above 0, or half a GPU's memory is asked for and there is no GPU here.
    """
    if budget_bytes is not None:
        if budget_bytes <= 0:
            raise OptionError(f"memory budget: expected more than 0 bytes, got {budget_bytes}")
        return budget_bytes
    return int(INDEX_SHARE * (_gpu_bytes(gpu) if device == "cuda" else _machine_bytes()))


def _machine_bytes() -> int:
    """Return the memory of the machine, or of the container that this process runs in."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [path.read_text().strip() for path in _CGROUP_LIMITS if path.is_file()]
    return min([physical, *(int(limit) for limit in limits if limit.isdecimal())])


def _gpu_bytes(gpu: int) -> int:
    import torch

    if not torch.cuda.is_available():
        raise OptionError(
            "an index for a GPU is built on a machine without one: say how much of its memory the index may take "
            "(--memory-budget, in GB; half of what the GPU has, since a service holds two versions while it swaps them)"
        )
    return int(torch.cuda.get_device_properties(gpu).total_memory)
