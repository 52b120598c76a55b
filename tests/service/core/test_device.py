"""Where the service computes."""

import importlib.util
from pathlib import Path

import pytest

import knn
from service.core import device
from service.core.device import Device, choose_device
from service.core.errors import SettingsError


@pytest.mark.parametrize(
    ("gpus", "torch_is_there", "expected"),
    [(0, True, Device.CPU), (1, False, Device.CPU), (1, True, Device.CUDA)],
)
def test_auto(monkeypatch: pytest.MonkeyPatch, gpus: int, torch_is_there: bool, expected: Device) -> None:
    monkeypatch.setattr(device, "_GPU_NODES", [Path("/dev/null")])
    monkeypatch.setattr(knn, "gpu_count", lambda: gpus)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if torch_is_there else None)
    assert choose_device("auto") is expected


def test_where_no_gpu_is_shown_nobody_asks_for_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(device, "_GPU_NODES", [tmp_path / "nvidiactl"])
    monkeypatch.setattr(knn, "gpu_count", lambda: pytest.fail("FAISS was asked"))
    assert choose_device("auto") is Device.CPU


def test_cpu_is_cpu_whatever_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn, "gpu_count", lambda: 8)
    assert choose_device("cpu") is Device.CPU


def test_a_gpu_that_is_demanded_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_torch_sees_gpu", lambda: False)
    with pytest.raises(SettingsError, match="VITRINE_DEVICE is 'cuda': expected a GPU that torch can use"):
        choose_device("cuda")
    monkeypatch.setattr(device, "_torch_sees_gpu", lambda: True)
    assert choose_device("cuda") is Device.CUDA
