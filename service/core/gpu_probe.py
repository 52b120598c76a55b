"""Tries whether PyTorch and FAISS compute on a GPU: `python -m service.core.gpu_probe NUMBER`, in a process of its own.

PyTorch takes half a gigabyte of memory and CUDA's context more, which the process that speaks HTTP must not keep; and
FAISS ends its process where the driver is too old.
"""

import subprocess
import sys

from artifacts.records import Record
from service.core.settings import environment_without_settings

PROBE_SECONDS = 120.0  # PyTorch is imported from a cold disk, and CUDA makes its context


class GpuProbe(Record):
    """What was found out about a GPU.

    Attributes:
        torch_fault: why PyTorch cannot compute on it; None if it can.
        faiss_fault: why FAISS cannot search on it; None if it can.
    """

    torch_fault: str | None
    faiss_fault: str | None


def probe_gpu(number: int) -> GpuProbe:
    """Let PyTorch and FAISS compute on a GPU in a process of its own, and return what came of it."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, str(number)],
            capture_output=True,
            text=True,
            env=environment_without_settings(),
            timeout=PROBE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return _failed(f"a process that tried it did not end within {PROBE_SECONDS:g} s")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        return _failed(f"a process that tried it ended with exit code {done.returncode}: {last}")
    return GpuProbe.model_validate_json(done.stdout.splitlines()[-1])


def _failed(fault: str) -> GpuProbe:
    return GpuProbe(torch_fault=fault, faiss_fault=fault)


def main() -> None:
    """Print what comes of computing on the GPU whose number is the first argument."""
    from knn import faiss_gpu_fault, gpu_fault

    number = int(sys.argv[1])
    print(GpuProbe(torch_fault=gpu_fault(number), faiss_fault=faiss_gpu_fault(number)).model_dump_json())


if __name__ == "__main__":
    main()
