"""What PyTorch says of GPUs, with the CPU standing in for one that works, refuses, runs out or sticks."""

import sys

import pytest
import torch

from knn import gpu_fault, gpu_free_bytes, torch_gpu_count, torch_gpus


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch with CUDA that sees a GPU."""
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


def test_without_torch_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert torch_gpu_count() == 0
    assert gpu_fault(0) == "PyTorch is not installed"


def test_torch_for_cpus_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    assert gpu_fault(0) == f"PyTorch {torch.__version__} is built without CUDA"


@pytest.mark.usefixtures("one_gpu")
def test_a_gpu_that_is_not_there() -> None:
    assert torch_gpu_count() == 1
    assert gpu_fault(1) == f"PyTorch {torch.__version__} sees 1 GPUs, numbered from 0"


@pytest.mark.usefixtures("one_gpu")
def test_a_gpu_that_computes_has_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    compute, asked = torch_gpus._compute, list[str]()
    monkeypatch.setattr(torch_gpus, "_compute", lambda device: [asked.append(device), compute("cpu")])
    assert gpu_fault(0) is None
    assert asked == ["cuda:0"]


@pytest.mark.usefixtures("one_gpu")
@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB"), None),
        (
            RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be"),
            "PyTorch cannot compute on GPU 0: CUDA error: an illegal memory access was encountered",
        ),
        (
            RuntimeError("CUDA error: no kernel image is available for execution on the device"),
            "PyTorch cannot compute on GPU 0: CUDA error: no kernel image is available for execution on the device",
        ),
    ],
)
def test_a_fault_is_what_stays(monkeypatch: pytest.MonkeyPatch, error: Exception, fault: str | None) -> None:
    def fail(device: str) -> None:
        raise error

    monkeypatch.setattr(torch_gpus, "_compute", fail)
    assert gpu_fault(0) == fault


def test_free_memory_is_that_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (5_000 + device, 80_000))
    assert gpu_free_bytes(3) == 5_003


@pytest.mark.gpu
def test_a_real_gpu_computes_and_has_memory() -> None:
    assert gpu_fault(0) is None
    assert gpu_free_bytes(0) > 0
