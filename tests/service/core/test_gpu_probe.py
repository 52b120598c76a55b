"""GPUs are tried in a process of its own, whatever becomes of that."""

import subprocess
import sys
from typing import Any

import pytest

from service.core import gpu_probe
from service.core.gpu_probe import GpuProbe, probe_gpu


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs this program in place of the one that tries a GPU; a test fills it."""
    programs: list[str] = []
    run = subprocess.run

    def run_program(command: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
        assert command == [sys.executable, "-m", "service.core.gpu_probe", "1"]
        assert not [name for name in options["env"] if name.startswith("VITRINE_")]
        return run([sys.executable, "-c", programs[0]], **options)

    monkeypatch.setenv("VITRINE_ADMIN_TOKEN", "a secret that the probe needs not")
    monkeypatch.setattr(subprocess, "run", run_program)
    return programs


def test_the_last_line_is_the_result(program: list[str]) -> None:
    program.append("""print('noise of a library'); print('{"torch_fault": null, "faiss_fault": "no GPUs"}')""")
    assert probe_gpu(1) == GpuProbe(torch_fault=None, faiss_fault="no GPUs")


def test_a_process_that_is_ended_is_a_fault(program: list[str]) -> None:
    """As FAISS ends it where the driver is too old."""
    program.append("import os, sys; print('driver version is insufficient', file=sys.stderr, flush=True); os.abort()")
    fault = "a process that tried it ended with exit code -6: driver version is insufficient"
    assert probe_gpu(1) == GpuProbe(torch_fault=fault, faiss_fault=fault)


def test_a_process_that_hangs_is_a_fault(program: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_probe, "PROBE_SECONDS", 0.1)
    program.append("import signal; signal.pause()")
    assert probe_gpu(1).torch_fault == "a process that tried it did not end within 0.1 s"
