"""Running the stages of an experiment: command lines, several at once, each of them once.

A stage writes one file or folder atomically, so that a stage whose output exists is finished and is not repeated.
Stages that run at once share the cores, which is faster for small models than one stage after another on all cores,
and each has its own log. A stage that has to run alone has all cores, and writes to the terminal.
"""

import datetime
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from artifacts.atomic import replace_file
from artifacts.child_process import end_with_parent
from artifacts.cli import USER_ERROR_STATUS
from artifacts.cores import usable_cores
from artifacts.records import Record, read_record
from training.errors import ExperimentError

LOG_FOLDER = "logs"
TIMES_FILE = "stages.json"
TIMES_SCHEMA_VERSION = 1
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Stage:
    """One command line of an experiment.

    Attributes:
        name: the name in messages, of the log and in the table of times.
        arguments: the arguments of `python -m`.
        output: the file or folder that exists when the stage is finished; None: it always runs and reuses its results.
        needs: names of the stages that have to be finished before.
        check: raises ExperimentError if a finished output was made from other data, recipes or seeds.
        more: gives further arguments, known once the stages that it needs are finished.
        may_refuse: whether the other stages go on without its output where its data do not allow it (status 2).
    """

    name: str
    arguments: tuple[str, ...]
    output: Path | None
    needs: frozenset[str] = frozenset()
    check: Callable[[], None] = lambda: None
    more: Callable[[], tuple[str, ...]] = tuple
    may_refuse: bool = False


class StageTimes(Record):
    """The content of stages.json: how many seconds the last complete run of each finished stage took."""

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
    """Run every stage that is not finished, as soon as the stages that it needs are.

    Args:
        todo: the stages, each after those that it needs.
        out: folder for the times, and for the logs of stages that run at once.
        jobs: most stages that run at once.

    Raises:
        ExperimentError: a stage failed, or its finished output was made from other data, recipes or seeds. Other
            stages that run at that moment are stopped.
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
    """Return a line that says how long each stage took."""
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
    """Start a stage with its share of the cores; its output goes to its log, or to the terminal if it runs alone."""
    out.mkdir(parents=True, exist_ok=True)
    log = out / LOG_FOLDER / f"{stage.name}.log" if shares > 1 else None
    arguments = (*stage.arguments, *stage.more())
    print(f"{label}: python -m {shlex.join(arguments)}" + (f" > {log}" if log else ""), flush=True)
    environment = {**os.environ}
    if shares > 1:
        environment.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // shares)))
    command = [sys.executable, "-m", *arguments]
    began = time.monotonic()
    if log is None:
        process = subprocess.Popen(command, env=environment, preexec_fn=end_with_parent)
    else:
        log.parent.mkdir(exist_ok=True)
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, env=environment, stdout=file, stderr=subprocess.STDOUT, preexec_fn=end_with_parent
            )
    return _Running(stage, label, process, began, log)


def _ended(running: Sequence[_Running]) -> list[_Running]:
    """Return the stages that have ended; wait for the first if none has."""
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
        if run.stage.may_refuse and run.process.returncode == USER_ERROR_STATUS:
            print(f"{run.label}: not possible, see above; the others go on without it", flush=True)
            return
        raise ExperimentError(f"{run.stage.name} failed, see above; the same command goes on from here")
    if run.log:
        print(f"{run.label}: finished in {seconds:.0f} s", flush=True)
    _record_time(out, run.stage.name, seconds)


@contextmanager
def _stopping(running: list[_Running]) -> Iterator[None]:
    """Stop the stages that still run when the block is left."""
    try:
        yield
    finally:
        for run in running:
            run.process.terminate()
        for run in running:
            run.process.wait()


def _record_time(out: Path, name: str, seconds: float) -> None:
    path = out / TIMES_FILE
    times = read_record(path, StageTimes, schema_version=TIMES_SCHEMA_VERSION) if path.is_file() else StageTimes()
    later = StageTimes(seconds={**times.seconds, name: round(seconds, 1)})
    replace_file(path, later.model_dump_json(indent=2).encode() + b"\n")
