"""Machine, figures (median and p99), targets, and the written result of a benchmark.

A benchmark measures everything that it compares in one run, prints it, writes benchmarks/out/NAME.json with the commit,
and exits with 1 if a target is missed.
"""

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import numpy as np

from artifacts.atomic import replace_file
from artifacts.columns import align_columns
from artifacts.cores import usable_cores

OUT = Path(__file__).parents[1] / "out"
_GIB = 1 << 30
_STAT = Path("/proc/stat")


@dataclass(frozen=True)
class Figure:
    """A quantity that was measured several times.

    Attributes:
        name: what was measured, and of which system.
        unit: unit of the values, such as "s", "ms", "GB" or "pairs/s".
        values: one value for each run.
    """

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the values."""
        return float(np.median(self.values))

    @property
    def p99(self) -> float:
        """The 99th percentile; with few runs, the largest value."""
        return float(np.percentile(self.values, 99, method="higher"))


@dataclass(frozen=True)
class Target:
    """A target of a benchmark.

    Attributes:
        name: the claim.
        wanted: whether the limit is a lower or an upper bound.
        limit: the bound.
        measured: the result of this run, a median or a ratio of medians.
        unit: unit of limit and result.
    """

    name: str
    wanted: Literal["at least", "at most"]
    limit: float
    measured: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether the target was reached; NaN never reaches it."""
        return self.measured >= self.limit if self.wanted == "at least" else self.measured <= self.limit


@dataclass(frozen=True)
class Machine:
    """The machine of a benchmark.

    Attributes:
        stolen: Steal time: share of the requested processor time that the host of a virtual machine gave to other
            machines since the benchmark began; None if the system does not report it.
    """

    processor: str
    cores: int  # that this process may use
    memory_gb: float
    gpu: str  # "none" where there is none
    system: str
    python: str
    packages: dict[str, str]
    stolen: float | None = None


def this_machine(packages: Sequence[str] = ()) -> Machine:
    """Describe the machine of this run, with the versions of the packages that influence its figures."""
    return Machine(
        processor=_processor(),
        cores=usable_cores(),
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB, 1),
        gpu=_gpu(),
        system=platform.platform(),
        python=platform.python_version(),
        packages={name: _version(name) for name in packages},
        stolen=stolen_share(_TIMES_AT_START, _processor_times()),
    )


def stolen_share(before: Sequence[int] | None, after: Sequence[int] | None) -> float | None:
    """Return the share of steal time between two readings of /proc/stat; None if a reading is missing."""
    if before is None or after is None:
        return None
    user, nice, system, _, _, interrupts, soft_interrupts, stolen = np.subtract(after, before).tolist()
    return float(stolen / max(1, user + nice + system + interrupts + soft_interrupts + stolen))


def report(
    name: str, machine: Machine, setting: str, figures: Sequence[Figure], targets: Sequence[Target], out: Path = OUT
) -> int:
    """Print a benchmark's result and write it to OUT/NAME.json.

    Args:
        name: name of the benchmark.
        machine: the machine that it ran on.
        setting: what was measured and how, in a few sentences.
        figures: all measurements.
        targets: all targets.
        out: folder of the results.

    Returns:
        The exit code: 0, or 1 when a target was missed.
    """
    print(f"\n{name}: {setting}\n")
    print(f"{machine.processor}, {machine.cores} cores, {machine.memory_gb} GB, GPU: {machine.gpu}")
    print(f"{machine.system}, Python {machine.python}, {_listed(machine.packages)}")
    if machine.stolen is not None:
        print(f"{100 * machine.stolen:.1f}% of the processor time that was asked for went to other machines")
    print(f"commit {_commit()}\n")
    print(table(["figure", "unit", "runs", "median", "p99"], [_figure_row(figure) for figure in figures]))
    print(f"\n{table(['target', 'wanted', 'measured', 'met'], [_target_row(target) for target in targets])}")
    content = {
        "benchmark": name,
        "setting": setting,
        "commit": _commit(),
        "measured_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": asdict(machine),
        "figures": [{**asdict(figure), "median": figure.median, "p99": figure.p99} for figure in figures],
        "targets": [{**asdict(target), "met": target.met} for target in targets],
    }
    out.mkdir(parents=True, exist_ok=True)
    replace_file(out / f"{name}.json", json.dumps(content, indent=2).encode() + b"\n")
    return 0 if all(target.met for target in targets) else 1


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows under a header in columns: the first aligned to the left, the others to the right."""
    return "\n".join(align_columns([header, *rows], range(1, len(header))))


def number(value: float) -> str:
    """Format a number: with thousands separators from 1,000 on, else with three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _figure_row(figure: Figure) -> list[str]:
    return [figure.name, figure.unit, str(len(figure.values)), number(figure.median), number(figure.p99)]


def _target_row(target: Target) -> list[str]:
    wanted = f"{target.wanted} {number(target.limit)} {target.unit}"
    return [target.name, wanted, f"{number(target.measured)} {target.unit}", "yes" if target.met else "NO"]


def _listed(packages: dict[str, str]) -> str:
    return ", ".join(f"{name} {found}" for name, found in packages.items()) or "no packages named"


def _processor() -> str:
    """Return the processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _gpu() -> str:
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout.strip() or "none"
    except (OSError, subprocess.SubprocessError):
        return "none"


def _processor_times() -> list[int] | None:
    """Read the first eight counters of /proc/stat for all processors together; None if the system has none."""
    if not _STAT.is_file():
        return None
    with _STAT.open(encoding="ascii") as stat:
        return [int(time) for time in stat.readline().split()[1:9]]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """Return the measured commit, marked as dirty if there are uncommitted changes."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parent,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return described.stdout.strip()


_TIMES_AT_START = _processor_times()
