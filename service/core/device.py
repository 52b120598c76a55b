"""The device on which the encoder and the index run."""

import re
from pathlib import Path
from typing import ClassVar

from artifacts.records import Record
from service.core.errors import SettingsError
from service.core.gpu_probe import probe_gpu
from service.core.logs import EventLog

_log = EventLog(__name__)
_GPU_NODES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # device files of Linux, and of Linux under Windows (WSL)


class Device(Record):
    """The device that one process computes on. As text it is what PyTorch calls it: "cpu", "cuda:0", "cuda:1".

    Attributes:
        gpu: the number of the GPU on which PyTorch encodes, and PyTorch or FAISS searches; None for the CPU, where ONNX
            Runtime encodes and FAISS searches, and torch is not imported.
        required: whether the setting demands this GPU, so that nothing that does not fit may move to the CPU instead.
    """

    CPU: ClassVar["Device"]

    gpu: int | None = None
    required: bool = False

    def __str__(self) -> str:
        return "cpu" if self.gpu is None else f"cuda:{self.gpu}"


Device.CPU = Device()


def choose_device(wanted: str) -> Device:
    """Return the device for a setting.

    Args:
        wanted: "cpu"; "auto" for the first GPU if both PyTorch and FAISS compute on it, otherwise the CPU, with the
            reason in the log; "cuda" or "cuda:N" for a GPU on which PyTorch must compute.

    Raises:
        SettingsError: a GPU is required and PyTorch cannot compute on it.
    """
    if wanted == "cpu" or (wanted == "auto" and not _has_gpu_file()):
        return Device.CPU
    number = int(re.sub("^(auto|cuda):?", "", wanted) or 0)
    probe = probe_gpu(number)
    if wanted == "auto":
        fault = probe.torch_fault or probe.faiss_fault
        if fault is not None:
            _log.warning("gpu_not_used", gpu=number, reason=fault)
            return Device.CPU
        return Device(gpu=number)
    if probe.torch_fault is not None:
        raise SettingsError(
            [
                f"VITRINE_DEVICE is {wanted!r}: expected a GPU that PyTorch can use, but {probe.torch_fault}; check "
                "the driver with nvidia-smi, install the extra gpu (pip install 'vitrine[gpu]'), or use 'auto' or 'cpu'"
            ]
        )
    if probe.faiss_fault is not None:  # versions whose index PyTorch searches can be served nevertheless
        _log.warning("faiss_without_gpu", gpu=number, reason=probe.faiss_fault)
    return Device(gpu=number, required=True)


def _has_gpu_file() -> bool:
    """Return whether the system has a GPU at all, which is known at once."""
    return any(node.exists() for node in _GPU_NODES)
