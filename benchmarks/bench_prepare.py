"""Time and memory of `training prepare` with 20 million log rows.

`make bench-prepare` runs it. The log is generated first, which is not counted. Each run is the real program in a
process of its own, whose peak resident memory the kernel reports when it ends.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from artifacts.dataset import open_dataset
from artifacts.table1 import table1
from benchmarks.common.harness import Figure, Target, report, this_machine
from benchmarks.prepare.search_log import write_shop

SECONDS = 180.0
GIGABYTES = 4.0
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Run:
    """Time and memory of one run of the program."""

    wall_s: float
    cpu_s: float
    peak_gb: float


def main(
    rows: Annotated[int, typer.Option(min=1000, help="Number of events in the log.")] = 20_000_000,
    runs: Annotated[int, typer.Option(min=1, help="Number of times that the log is prepared.")] = 3,
    shuffled: Annotated[
        bool, typer.Option(help="Generate a log in random order instead of one sorted by time.")
    ] = False,
    folder: Annotated[Path | None, typer.Option(help="Scratch folder; 20 million rows need 2 GB.")] = None,
) -> None:
    """Prepare a generated search log, and compare time and peak memory with the targets."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        shop, out = Path(temporary) / "shop", Path(temporary) / "data"
        write_shop(shop, rows, sorted_by_time=not shuffled)
        measured = [_measure(shop, out.with_name(f"data-{run}")) for run in range(runs)]
        dataset = open_dataset(out.with_name("data-0"))
        print(f"\n{table1(dataset.card)}")
    seconds = Figure("training prepare", "s", tuple(run.wall_s for run in measured))
    # On an otherwise idle machine this is about the wall time multiplied by the number of cores.
    processor = Figure("its processor time, of all threads", "s", tuple(run.cpu_s for run in measured))
    memory = Figure("its peak resident memory", "GB", tuple(run.peak_gb for run in measured))
    order = "in no order" if shuffled else "sorted by time"
    setting = f"`training prepare` over {rows:,} log rows {order}, {dataset.card.train.queries:,} training queries"
    targets = [
        Target("time to prepare", "at most", SECONDS, seconds.median, "s"),
        Target("peak memory", "at most", GIGABYTES, max(memory.values), "GB"),
    ]
    machine = this_machine(("duckdb", "ibis-framework", "pyarrow"))
    raise typer.Exit(report("prepare", machine, setting, [seconds, processor, memory], targets))


def _measure(shop: Path, out: Path) -> Run:
    """Run the program once and measure it.

    Raises:
        RuntimeError: the program failed.
    """
    command = [sys.executable, "-m", "training", "prepare", "--shop", str(shop), "--out", str(out)]
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} exited with {process.returncode}")
    run = Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e9)  # the kernel counts KiB
    print(f"{out.name}: {run.wall_s:.1f} s, processor {run.cpu_s:.1f} s, {run.peak_gb:.2f} GB", flush=True)
    return run


if __name__ == "__main__":
    typer.run(main)
