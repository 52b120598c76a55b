"""Time and memory of `feeds import` with a feed of a million rows.

`make bench-feeds` runs it. The feed is generated first, which is not counted. The import is the real program in a
process of its own; its memory is the kernel's high-water mark.
"""

import resource
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common.harness import Figure, Target, report, this_machine
from benchmarks.common.measured_process import run_command
from benchmarks.feeds.make_feeds import FEEDS

SECONDS = 120.0
GIGABYTES = 2.0


def main(
    rows: Annotated[int, typer.Option(min=1000, help="Number of products of the feed.")] = 1_000_000,
    feed: Annotated[str, typer.Option(help=f"Which feed is imported: {', '.join(FEEDS)}.")] = "european.csv",
    folder: Annotated[Path | None, typer.Option(help="Scratch folder; a million rows need 1 GB.")] = None,
) -> None:
    """Import a generated feed, and compare time and peak memory with the targets."""
    if feed not in FEEDS:
        raise typer.BadParameter(f"{feed} is not one of {', '.join(FEEDS)}")
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        made = FEEDS[feed](Path(temporary), rows, 0)
        megabytes = made.path.stat().st_size / 1e6
        command = [sys.executable, "-m", "feeds", "import", str(made.path), "--out", str(Path(temporary) / "shop")]
        before = _processor_seconds()
        usage, _ = run_command(command)
        processor_s = _processor_seconds() - before
    seconds = Figure("feeds import", "s", (usage.wall_s,))
    # On an otherwise idle machine this is about the wall time.
    processor = Figure("its processor time", "s", (processor_s,))
    memory = Figure("its peak resident memory", "GB", (usage.peak_resident_gb,))
    targets = [
        Target("time to import", "at most", SECONDS * rows / 1_000_000, seconds.median, "s"),
        Target("peak memory", "at most", GIGABYTES, usage.peak_resident_gb, "GB"),
    ]
    setting = f"`feeds import` of {feed} with {len(made.products):,} products, {megabytes:,.0f} MB"
    machine = this_machine(("duckdb", "lxml", "pyarrow"))
    raise typer.Exit(report("feeds", machine, setting, [seconds, processor, memory], targets))


def _processor_seconds() -> float:
    """Return the processor time of all programs that this one has run."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    typer.run(main)
