"""Finds weights that cannot be right: numbers that are none, and files that Git LFS has not fetched."""

from pathlib import Path

import torch
from torch import nn

_POINTER = b"version https://git-lfs.github.com/spec/"
_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")


def nonfinite_weight(module: nn.Module) -> str | None:
    """Return the name of a weight of a module that holds NaN or infinity; None if there is none."""
    for name, weight in module.state_dict().items():
        if weight.is_floating_point() and not torch.isfinite(weight).all():
            return name
    return None


def lfs_pointer(path: Path) -> Path | None:
    """Return a file of weights, at a path or in a folder, that holds only the address of its content in Git LFS."""
    files = [path] if path.is_file() else [file for file in path.glob("*") if file.suffix in _SUFFIXES]
    return next((file for file in files if _is_pointer(file)), None)


def _is_pointer(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(_POINTER)) == _POINTER
