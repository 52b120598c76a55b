"""Where the encoder and the index run."""

import enum
import importlib.util
from pathlib import Path
from typing import Literal

from service.core.errors import SettingsError

_GPU_NODES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # of Linux, and of Linux under Windows


class Device(enum.StrEnum):
    """What one process computes on."""

    CPU = "cpu"  # ONNX Runtime and FAISS; torch is not imported
    CUDA = "cuda"  # PyTorch, and FAISS for index types that run on a GPU


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> Device:
    """The device for a setting; `auto` takes a GPU where FAISS sees one and torch is installed.

    Raises:
        SettingsError: A GPU is demanded and there is none that torch can use.
    """
    if wanted == "cpu":
        return Device.CPU
    if wanted == "auto":
        with_torch = importlib.util.find_spec("torch") is not None
        return Device.CUDA if with_torch and _shows_gpu() and _faiss_sees_gpu() else Device.CPU
    if not _torch_sees_gpu():
        raise SettingsError(
            [
                "VITRINE_DEVICE is 'cuda': expected a GPU that torch can use and there is none; "
                "check the driver, install the extra gpu (pip install 'vitrine[gpu]'), or use 'auto'"
            ]
        )
    return Device.CUDA


def _shows_gpu() -> bool:
    """Whether the system has one at all: over a driver that is too old, FAISS ends the process that asks it."""
    return any(node.exists() for node in _GPU_NODES)


def _faiss_sees_gpu() -> bool:
    from knn import gpu_count  # and with it FAISS, which the process that speaks HTTP needs for nothing else

    return gpu_count() > 0


def _torch_sees_gpu() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())
