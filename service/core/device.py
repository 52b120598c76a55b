"""The device on which the encoder and the index run."""

import enum
import importlib.util
from pathlib import Path
from typing import Literal

from service.core.errors import SettingsError

_GPU_NODES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # device files of Linux, and of Linux under Windows (WSL)


class Device(enum.StrEnum):
    """The device that one process computes on."""

    CPU = "cpu"  # ONNX Runtime and FAISS; torch is not imported
    CUDA = "cuda"  # PyTorch, and FAISS for index types that run on a GPU


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> Device:
    """Return the device for a setting; `auto` takes a GPU if FAISS sees one and torch is installed.

    Args:
        wanted: the setting.

    Raises:
        SettingsError: a GPU is required and there is none that torch can use.
    """
    if wanted == "cpu":
        return Device.CPU
    if wanted == "auto":
        with_torch = importlib.util.find_spec("torch") is not None
        return Device.CUDA if with_torch and _has_gpu_file() and _faiss_sees_gpu() else Device.CPU
    if not _torch_sees_gpu():
        raise SettingsError(
            [
                "VITRINE_DEVICE is 'cuda': expected a GPU that torch can use and there is none; "
                "check the driver, install the extra gpu (pip install 'vitrine[gpu]'), or use 'auto'"
            ]
        )
    return Device.CUDA


def _has_gpu_file() -> bool:
    """Return whether the system has a GPU at all. With an old driver, asking FAISS instead ends the process."""
    return any(node.exists() for node in _GPU_NODES)


def _faiss_sees_gpu() -> bool:
    from knn import gpu_count  # imports FAISS, which the HTTP process needs for nothing else

    return gpu_count() > 0


def _torch_sees_gpu() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())
