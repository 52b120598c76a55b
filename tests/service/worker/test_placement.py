"""On which device the parts of a version end up, with a GPU that takes them, refuses them, or runs out of memory."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import towers.torch_query_encoder as on_torch
from artifacts.index_version import IndexVersion, open_index_version
from artifacts.store import Store
from knn import DeviceError, UnsupportedTypeError, VectorIndex
from service.core.device import Device
from service.core.errors import VersionRefusedError
from service.worker import memory, placement
from service.worker.loaded_version import LoadedVersion, load_version
from towers.query_encoder import OnnxQueryEncoder

AUTO, DEMANDED = Device(gpu=1), Device(gpu=1, required=True)
OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB")


class Gpu:
    """A GPU on which the CPU computes.

    Attributes:
        free: its free memory in bytes.
        encoder_fault: what its encoder raises when it is loaded; None if it works.
        index_fault: what it raises when an index is moved to it; None if it works.
        asked: the devices that were asked, as PyTorch or FAISS names them.
    """

    def __init__(self) -> None:
        self.free = 10_000_000_000
        self.encoder_fault: Exception | None = None
        self.index_fault: Exception | None = None
        self.asked: list[object] = []

    def load_encoder(self, *arguments: Any, device: str) -> on_torch.TorchQueryEncoder:
        self.asked.append(device)
        if self.encoder_fault:
            raise self.encoder_fault
        return _ENCODER(*arguments, device="cpu")

    def take(self, index: VectorIndex, number: int) -> VectorIndex:
        self.asked.append(number)
        if self.index_fault:
            raise self.index_fault
        return index


_ENCODER = on_torch.TorchQueryEncoder


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    gpu = Gpu()
    monkeypatch.setattr(on_torch, "TorchQueryEncoder", gpu.load_encoder)
    monkeypatch.setattr(placement, "gpu_free_bytes", lambda number: gpu.free)
    monkeypatch.setattr(placement, "to_gpu", gpu.take)
    return gpu


@pytest.fixture
def load(good_store: Path) -> Callable[[Device], LoadedVersion]:
    return lambda device: load_version(Store(good_store), "v1", device=device, encoder_threads=1)


@pytest.fixture
def opened(good_store: Path) -> IndexVersion:
    return open_index_version(good_store / "versions" / "v1")


@pytest.mark.parametrize("device", [AUTO, DEMANDED])
def test_what_fits_is_on_the_gpu(gpu: Gpu, load: Callable[[Device], LoadedVersion], device: Device) -> None:
    version = load(device)
    assert gpu.asked == ["cuda:1", 1]
    assert (version.encoder_device, version.index_device) == (device, device)
    described = version.describe()
    assert (str(described.encoder_device), str(described.index_device)) == ("cuda:1", "cuda:1")


FAULTS: list[tuple[str, Callable[[Gpu], object], str]] = [
    ("encoder", lambda gpu: setattr(gpu, "encoder_fault", OUT_OF_MEMORY), "CUDA out of memory. Tried to allocate 3.00"),
    (
        "encoder",
        lambda gpu: setattr(gpu, "free", 1_000),
        r"it takes about 0\.5\d GB of GPU memory and 0\.00 GB are free",
    ),
    ("encoder", lambda gpu: setattr(gpu, "encoder_fault", RuntimeError("CUDA error: device not ready")), "not ready"),
    (
        "index",
        lambda gpu: setattr(gpu, "index_fault", DeviceError("GPU 1 could not take it")),
        "GPU 1 could not take it",
    ),
]


@pytest.mark.parametrize(("part", "break_it", "reason"), FAULTS)
def test_what_does_not_fit_is_refused_where_the_gpu_is_demanded(
    gpu: Gpu,
    load: Callable[[Device], LoadedVersion],
    part: str,
    break_it: Callable[[Gpu], object],
    reason: str,
) -> None:
    break_it(gpu)
    expected = rf"^version v1: its {part} cannot run on cuda:1, which VITRINE_DEVICE demands: .*{reason}.*; free memory"
    with pytest.raises(VersionRefusedError, match=expected):
        load(DEMANDED)


@pytest.mark.parametrize(("part", "break_it", "reason"), FAULTS)
def test_what_does_not_fit_moves_to_the_cpu_where_the_choice_is_free(
    gpu: Gpu,
    load: Callable[[Device], LoadedVersion],
    caplog: pytest.LogCaptureFixture,
    part: str,
    break_it: Callable[[Gpu], object],
    reason: str,
) -> None:
    break_it(gpu)
    with caplog.at_level(logging.WARNING):
        version = load(AUTO)
    assert f"event=stays_on_cpu version=v1 part={part} reason=" in caplog.text
    assert version.index_device == Device.CPU
    assert version.encoder_device == (AUTO if part == "index" else Device.CPU)
    assert isinstance(version.encoder, OnnxQueryEncoder) == (part == "encoder")


def test_an_index_too_large_for_the_gpu_is_told_with_its_figures(
    gpu: Gpu, load: Callable[[Device], LoadedVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "gpu_bytes", lambda index, number: 31_400_000_000)
    with pytest.raises(VersionRefusedError, match=r"31\.40 GB of GPU memory and 10\.00 GB are free"):
        load(DEMANDED)


@pytest.mark.parametrize("device", [AUTO, DEMANDED])
def test_an_index_of_a_type_that_no_gpu_takes_stays_on_the_cpu_in_any_case(
    gpu: Gpu, load: Callable[[Device], LoadedVersion], caplog: pytest.LogCaptureFixture, device: Device
) -> None:
    gpu.index_fault = UnsupportedTypeError("an index of type HNSW16 cannot be searched on a GPU")
    with caplog.at_level(logging.WARNING):
        version = load(device)
    assert (version.encoder_device, version.index_device) == (device, Device.CPU)
    assert "event=stays_on_cpu version=v1 part=index reason='an index of type HNSW16" in caplog.text


@pytest.mark.parametrize("device", [Device.CPU, AUTO, DEMANDED])
def test_memory_of_the_host_counts_what_cuda_takes(
    opened: IndexVersion, monkeypatch: pytest.MonkeyPatch, device: Device
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: memory.CUDA_HOST_BYTES)  # enough for the version alone
    if device.required:
        figures = r"it takes about 1\.5\d GB of memory, 1\.50 of them for PyTorch and CUDA, and 1\.50 GB are free"
        with pytest.raises(VersionRefusedError, match=figures):
            memory.check_memory(opened, False, None, device)
    else:
        assert memory.check_memory(opened, False, None, device) == Device.CPU
    monkeypatch.setattr(memory, "free_bytes", lambda: 2 * memory.CUDA_HOST_BYTES)
    assert memory.check_memory(opened, False, None, device) == device
