"""Where the service computes."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from service.core import device
from service.core.device import Device, choose_device
from service.core.errors import SettingsError
from service.core.gpu_probe import GpuProbe

WORKS = GpuProbe(torch_fault=None, faiss_fault=None)
CPU_TORCH = GpuProbe(torch_fault="PyTorch 2.15.0 is built without CUDA", faiss_fault=None)
CPU_FAISS = GpuProbe(torch_fault=None, faiss_fault="FAISS 1.15.1 is built without GPUs")


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> dict[int, GpuProbe]:
    """What comes of trying each GPU of a machine; a test fills it."""
    found: dict[int, GpuProbe] = {}
    monkeypatch.setattr(device, "_GPU_NODES", [Path("/dev/null")])
    monkeypatch.setattr(device, "probe_gpu", lambda number: found[number])
    return found


def test_auto_takes_a_gpu_on_which_both_libraries_compute(probes: dict[int, GpuProbe]) -> None:
    probes[0] = WORKS
    assert choose_device("auto") == Device(gpu=0, required=False)


@pytest.mark.parametrize(
    ("probe", "reason"),
    [(CPU_TORCH, "PyTorch 2.15.0 is built without CUDA"), (CPU_FAISS, "FAISS 1.15.1 is built without GPUs")],
)
def test_auto_goes_to_the_cpu_and_logs_why(
    probes: dict[int, GpuProbe], probe: GpuProbe, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    probes[0] = probe
    with caplog.at_level(logging.WARNING):
        assert choose_device("auto") == Device.CPU
    assert f"event=gpu_not_used gpu=0 reason='{reason}'" in caplog.text


def test_where_no_gpu_is_shown_nobody_asks_for_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(device, "_GPU_NODES", [tmp_path / "nvidiactl"])
    monkeypatch.setattr(device, "probe_gpu", lambda number: pytest.fail("a GPU was tried"))
    assert choose_device("auto") is Device.CPU


def test_cpu_is_cpu_whatever_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "probe_gpu", lambda number: pytest.fail("a GPU was tried"))
    assert choose_device("cpu") is Device.CPU


@pytest.mark.parametrize(("wanted", "number"), [("cuda", 0), ("cuda:0", 0), ("cuda:3", 3)])
def test_a_gpu_that_is_demanded_is_that_one(probes: dict[int, GpuProbe], wanted: str, number: int) -> None:
    probes[number] = WORKS
    chosen = choose_device(wanted)
    assert chosen == Device(gpu=number, required=True)
    assert str(chosen) == f"cuda:{number}"


@pytest.mark.parametrize("wanted", ["cuda", "cuda:1"])
def test_a_gpu_that_is_demanded_must_compute(probes: dict[int, GpuProbe], wanted: str) -> None:
    probes.update({0: CPU_TORCH, 1: CPU_TORCH})
    with pytest.raises(SettingsError) as caught:
        choose_device(wanted)
    assert str(caught.value) == (
        f"VITRINE_DEVICE is '{wanted}': expected a GPU that PyTorch can use, but PyTorch 2.15.0 is built without CUDA; "
        "check the driver with nvidia-smi, install the extra gpu (pip install 'vitrine[gpu]'), or use 'auto' or 'cpu'"
    )


def test_a_gpu_is_demanded_also_where_faiss_is_for_cpus(
    probes: dict[int, GpuProbe], caplog: pytest.LogCaptureFixture
) -> None:
    """PyTorch searches an index that scores every row; a version with another one is refused when it is loaded."""
    probes[0] = CPU_FAISS
    with caplog.at_level(logging.WARNING):
        assert choose_device("cuda").gpu == 0
    assert "event=faiss_without_gpu gpu=0 reason='FAISS 1.15.1 is built without GPUs'" in caplog.text


def test_devices_survive_their_way_to_the_worker() -> None:
    for chosen in (Device.CPU, Device(gpu=2, required=True)):
        assert Device.model_validate_json(chosen.model_dump_json()) == chosen
    assert (str(Device.CPU), str(Device(gpu=2))) == ("cpu", "cuda:2")


def test_the_process_that_chooses_imports_neither_torch_nor_faiss() -> None:
    """That process speaks HTTP, and torch would take half a gigabyte of its memory."""
    program = (
        "import sys\n"
        "from service.core import device\n"
        "from service.core.gpu_probe import GpuProbe, probe_gpu\n"
        "probe = probe_gpu(99)\n"
        "assert probe.torch_fault and probe.faiss_fault, probe\n"
        "try:\n"
        "    device.choose_device('cuda:99')\n"
        "except device.SettingsError as error:\n"
        "    print(sorted({'torch', 'faiss', 'knn'} & set(sys.modules)), error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] VITRINE_DEVICE is 'cuda:99': expected a GPU that PyTorch can use, but PyTorch ")
