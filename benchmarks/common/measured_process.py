"""Run parts of a benchmark as Python programs in separate processes, and measure their time and memory.

Two peaks of memory are measured. Peak resident memory is the kernel's high-water mark (VmHWM). It includes pages of
memory-mapped files, which the kernel can reclaim: up to 3.5 GB for a process that maps 3.5 GB of vectors. Anonymous
memory, which the program itself allocates, has no high-water mark and is sampled ten times a second. Targets are for
resident memory, the larger of the two.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from artifacts.records import Record

ROOT = Path(__file__).parents[2]
_LOOK_EVERY_S = 0.1
_BLOCK_BYTES = 512  # of the kernel's count of written blocks
KIB = 1024
ResultType = TypeVar("ResultType", bound=BaseModel)


class PartError(Exception):
    """A part of the benchmark failed; its output is printed above."""


class Usage(Record):
    """Time and memory of a part."""

    wall_s: float
    peak_resident_gb: float
    peak_anonymous_gb: float


def run_part(
    program: str | Path, options: Sequence[object], result: type[ResultType], python: Path | None = None
) -> tuple[ResultType, Usage]:
    """Run a part and read its result.

    Args:
        program: a module of benchmarks/ by its name, or the path of a script.
        options: options of its command line; ``--out FILE`` is added.
        result: class of the result that it writes to this file as JSON.
        python: the interpreter; by default this one.

    Raises:
        PartError: the part failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        usage = run_program(program, [*options, "--out", out], python)
        return result.model_validate(json.loads(out.read_bytes())), usage


def run_program(program: str | Path, options: Sequence[object], python: Path | None = None) -> Usage:
    """Run a part that writes its results elsewhere; arguments and errors are those of `run_part`."""
    named = [str(program)] if isinstance(program, Path) else ["-m", f"benchmarks.{program}"]
    print(f"\n{' '.join(map(str, (*named, *options)))}", flush=True)
    return run_command([str(python or sys.executable), *named, *map(str, options)])[0]


def write_result(out: Path, result: BaseModel) -> None:
    """Write the result of a part to the file that `run_part` named."""
    out.write_text(result.model_dump_json(), encoding="utf-8")


def memory_of(pid: int) -> dict[str, int]:
    """Read the memory values of /proc/PID/status, in KiB; empty if the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    fields: list[tuple[str, Any]] = [(name, rest.split()) for name, _, rest in (line.partition(":") for line in lines)]
    return {name: int(words[0]) for name, words in fields if len(words) == 2 and words[1] == "kB"}


def shared_out_memory(pid: int) -> int:
    """Return the proportional set size of a process in KiB: shared pages are divided among their processes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def run_command(command: Sequence[str]) -> tuple[Usage, int]:
    """Run a command in the project's folder; return its time and memory, and how many bytes it wrote to a disk.

    Raises:
        PartError: it failed.
    """
    blocks = resource.getrusage(resource.RUSAGE_CHILDREN).ru_oublock
    begin = time.perf_counter()
    resident = anonymous = 0
    with subprocess.Popen(command, cwd=ROOT) as process:
        while process.poll() is None:
            status = memory_of(process.pid)
            # VmHWM is the peak since the start, so the last reading alone would be enough for it.
            resident, anonymous = max(resident, status.get("VmHWM", 0)), max(anonymous, status.get("RssAnon", 0))
            time.sleep(_LOOK_EVERY_S)
    wall = time.perf_counter() - begin
    if process.returncode != 0:
        raise PartError(f"{' '.join(command)} exited with {process.returncode}")
    usage = Usage(wall_s=wall, peak_resident_gb=resident * KIB / 1e9, peak_anonymous_gb=anonymous * KIB / 1e9)
    written = resource.getrusage(resource.RUSAGE_CHILDREN).ru_oublock - blocks
    return usage, written * _BLOCK_BYTES
