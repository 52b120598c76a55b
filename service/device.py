"""Where the encoder and the index run."""

import enum
import importlib.util
from typing import Literal

from knn import gpu_count
from service.errors import SettingsError


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
        return Device.CUDA if gpu_count() > 0 and with_torch else Device.CPU
    if not _torch_sees_gpu():
        raise SettingsError(
            [
                "VITRINE_DEVICE is 'cuda': expected a GPU that torch can use and there is none; "
                "check the driver, install the extra gpu (pip install 'vitrine[gpu]'), or use 'auto'"
            ]
        )
    return Device.CUDA


def _torch_sees_gpu() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())
