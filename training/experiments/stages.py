"""Running the stages of an experiment: command lines, some of them side by side, each of them once.

A stage leaves one file or folder, which is written in one piece, so that a stage whose output is there is
finished and is not done again. Where several run at a time, each has its share of the cores, which serves
small models better than all cores one after another, and its own log. A stage that can only run alone has all
cores, and the terminal.
"""

import ctypes
import datetime
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from artifacts.atomic import replace_file
from artifacts.records import Record, read_record
from training.errors import ExperimentError
from training.threads import core_count

LOG_FOLDER = "logs"
TIMES_FILE = "stages.json"
TIMES_SCHEMA_VERSION = 1
_POLL_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Stage:
    """One command line of an experiment.

    Attributes:
        name: for people, for its log and for the table of times.
        arguments: of `python -m`.
        output: what it leaves when it is finished; None if it always runs (it reuses its own results).
        needs: names of the stages that come before it.
        check: raises ExperimentError when a finished output was made from something else.
    """

    name: str
    arguments: tuple[str, ...]
    output: Path | None
    needs: frozenset[str] = frozenset()
    check: Callable[[], None] = lambda: None


class StageTimes(Record):
    """The content of stages.json: seconds that each finished stage took, in its last uninterrupted run."""

    schema_version: int = TIMES_SCHEMA_VERSION
    seconds: dict[str, float] = Field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Running:
    stage: Stage
    label: str
    process: subprocess.Popen[bytes]
    began: float
    log: Path | None


def run_stages(todo: Sequence[Stage], out: Path, jobs: int = 1) -> None:
    """Run every stage that is not finished yet, as soon as what it needs is there.

    Args:
        todo: the stages; each stands after those that it needs.
        out: folder of the times, and of the logs of stages that ran side by side.
        jobs: how many run at a time.

    Raises:
        ExperimentError: a stage failed, or what it left before was made from something else. Stages that run
            beside it are stopped.
    """
    labels = {stage.name: f"[{number}/{len(todo)}] {stage.name}" for number, stage in enumerate(todo, 1)}
    waiting = list(todo)
    finished: set[str] = set()
    running: list[_Running] = []
    with _stopping(running):
        while waiting or running:
            for stage in [stage for stage in waiting if stage.needs <= finished][: jobs - len(running)]:
                waiting.remove(stage)
                if _is_finished(stage, labels[stage.name]):
                    finished.add(stage.name)
                else:
                    beside = 1 + len(running) + sum(other.needs <= finished for other in waiting)
                    running.append(_start(stage, labels[stage.name], out, min(jobs, beside)))
            for run in _ended(running):
                running.remove(run)
                _check_ended(run, out)
                finished.add(run.stage.name)


def describe_times(out: Path) -> str:
    """How long the stages took, as a line for people."""
    times = read_record(out / TIMES_FILE, StageTimes, schema_version=TIMES_SCHEMA_VERSION).seconds
    total = datetime.timedelta(seconds=round(sum(times.values())))
    return f"the stages took {total}, one by one: " + ", ".join(
        f"{name} {seconds:.0f} s" for name, seconds in times.items()
    )


def _is_finished(stage: Stage, label: str) -> bool:
    if stage.output is None or not stage.output.exists():
        return False
    stage.check()
    print(f"{label}: finished before", flush=True)
    return True


def _start(stage: Stage, label: str, out: Path, shares: int) -> _Running:
    """Start a stage with its share of the cores; alone its output goes to the terminal, otherwise to its log."""
    out.mkdir(parents=True, exist_ok=True)
    log = out / LOG_FOLDER / f"{stage.name}.log" if shares > 1 else None
    print(f"{label}: python -m {shlex.join(stage.arguments)}" + (f" > {log}" if log else ""), flush=True)
    environment = {**os.environ}
    if shares > 1:
        environment.setdefault("OMP_NUM_THREADS", str(max(1, core_count() // shares)))
    command = [sys.executable, "-m", *stage.arguments]
    began = time.monotonic()
    if log is None:
        process = subprocess.Popen(command, env=environment, preexec_fn=_die_with_parent)
    else:
        log.parent.mkdir(exist_ok=True)
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, env=environment, stdout=file, stderr=subprocess.STDOUT, preexec_fn=_die_with_parent
            )
    return _Running(stage, label, process, began, log)


def _ended(running: Sequence[_Running]) -> list[_Running]:
    """Those that are no longer running; waits until there is one, if any runs."""
    while running:
        ended = [run for run in running if run.process.poll() is not None]
        if ended:
            return ended
        time.sleep(_POLL_SECONDS)
    return []


def _check_ended(run: _Running, out: Path) -> None:
    seconds = time.monotonic() - run.began
    if run.process.returncode:
        if run.log:
            print(run.log.read_text(errors="replace"), file=sys.stderr)
        raise ExperimentError(f"{run.stage.name} failed, see above; the same command goes on from here")
    if run.log:
        print(f"{run.label}: finished in {seconds:.0f} s", flush=True)
    _record_time(out, run.stage.name, seconds)


@contextmanager
def _stopping(running: list[_Running]) -> Iterator[None]:
    """Leave no stage running."""
    try:
        yield
    finally:
        for run in running:
            run.process.terminate()
        for run in running:
            run.process.wait()


def _die_with_parent() -> None:
    """Where the system can (Linux), a stage ends with the run that started it, however that ended.

    Otherwise the next run would work beside it on the same files.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _record_time(out: Path, name: str, seconds: float) -> None:
    path = out / TIMES_FILE
    times = read_record(path, StageTimes, schema_version=TIMES_SCHEMA_VERSION) if path.is_file() else StageTimes()
    later = StageTimes(seconds={**times.seconds, name: round(seconds, 1)})
    replace_file(path, later.model_dump_json(indent=2).encode() + b"\n")
