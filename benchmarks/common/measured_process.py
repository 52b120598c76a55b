"""One measured part of bench-index: a Python program in a process of its own, so that its memory is its own.

Two peaks are told of each part. The resident set is the kernel's own high-water mark (VmHWM). It counts the pages of
mapped files too, which the kernel takes back when others need memory: of a process that reads 3.5 GB of vectors through
a map, up to those 3.5 GB. Anonymous memory, what the program itself asked for, has no such mark; it is looked at ten
times a second. Targets are on the resident set, the larger one.
"""

import json
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
KIB = 1024
ResultType = TypeVar("ResultType", bound=BaseModel)


class PartError(Exception):
    """A part of the benchmark failed; what it printed stands above."""


class Usage(Record):
    """What a part took."""

    wall_s: float
    peak_resident_gb: float
    peak_anonymous_gb: float


def run_part(
    program: str | Path, options: Sequence[object], result: type[ResultType], python: Path | None = None
) -> tuple[ResultType, Usage]:
    """Run a part and read its result.

    Args:
        program: a module of benchmarks/ by its name, or a script.
        options: of its command line; ``--out FILE`` is added.
        result: what it writes there, as JSON.
        python: the interpreter; by default this one.

    Raises:
        PartError: it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        usage = run_program(program, [*options, "--out", out], python)
        return result.model_validate(json.loads(out.read_bytes())), usage


def run_program(program: str | Path, options: Sequence[object], python: Path | None = None) -> Usage:
    """Run a part that leaves its result elsewhere; arguments and errors are those of `run_part`."""
    named = [str(program)] if isinstance(program, Path) else ["-m", f"benchmarks.{program}"]
    print(f"\n{' '.join(map(str, (*named, *options)))}", flush=True)
    return _run([str(python or sys.executable), *named, *map(str, options)])


def write_result(out: Path, result: BaseModel) -> None:
    """What a part calls at its end."""
    out.write_text(result.model_dump_json(), encoding="utf-8")


def memory_of(pid: int) -> dict[str, int]:
    """The lines on memory of /proc/PID/status, in KiB; none of a process that has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    fields: list[tuple[str, Any]] = [(name, rest.split()) for name, _, rest in (line.partition(":") for line in lines)]
    return {name: int(words[0]) for name, words in fields if len(words) == 2 and words[1] == "kB"}


def shared_out_memory(pid: int) -> int:
    """Resident memory of a process in KiB, of which a page that it shares with others is shared out among them."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _run(command: Sequence[str]) -> Usage:
    begin = time.perf_counter()
    resident = anonymous = 0
    with subprocess.Popen(command, cwd=ROOT) as process:
        while process.poll() is None:
            status = memory_of(process.pid)
            # The mark is the kernel's, so that the last look is as good as all of them together.
            resident, anonymous = max(resident, status.get("VmHWM", 0)), max(anonymous, status.get("RssAnon", 0))
            time.sleep(_LOOK_EVERY_S)
    wall = time.perf_counter() - begin
    if process.returncode != 0:
        raise PartError(f"{' '.join(command)} exited with {process.returncode}")
    return Usage(wall_s=wall, peak_resident_gb=resident * KIB / 1e9, peak_anonymous_gb=anonymous * KIB / 1e9)
