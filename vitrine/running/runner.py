"""Steps one after another, each only where something that it is made from has changed."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from artifacts.cli import printable
from vitrine.errors import StepError, UpError
from vitrine.running.code import code_fingerprint
from vitrine.running.programs import last_words, start_program, stop_program, wait_for
from vitrine.running.progress import StepLine, duration
from vitrine.running.record import StepRecord, UpRecord, read_up_record, write_up_record
from vitrine.steps.contents import Content
from vitrine.steps.request import Work
from vitrine.steps.step import Step


@dataclass
class Runner:
    """Runs steps in a work folder, and remembers there what was done.

    Attributes:
        work: the folder.
        total: number of steps, for the lines; None: not known yet.
        done: the steps that were looked at so far.
    """

    work: Work
    total: int | None = None
    done: dict[str, Step] = field(default_factory=dict)

    def check_folders(self, steps: Sequence[Step]) -> None:
        """Refuse to run steps where there is something that no call made, which they would remove or replace.

        Raises:
            UpError: a step was never run in this work folder, and what it makes is there.
        """
        record = read_up_record(self.work.record)
        for step in steps:
            path = step.output if step.keeps_output else step.output.parent
            if step.name not in record.steps and path.exists() and not (path.is_dir() and not any(path.iterdir())):
                raise UpError(f"{path} is there, and vitrine up did not make it; remove it or give another --out")

    def run(self, step: Step) -> bool:
        """Run a step if it has to be, and return whether it had to.

        Raises:
            StepError: the program ended with an error.
            UpError: something that it reads cannot be read.
        """
        record = read_up_record(self.work.record)
        key, matches = _key(step, record), fingerprint_of(step.matches)
        before = record.steps.get(step.name)
        self.done[step.name] = step
        label = f"{len(self.done)}{f'/{self.total}' if self.total else ''} {step.does}"
        if before and _is_done(step, before, key):
            print(f"{label}: as before ({duration(before.seconds)})", flush=True)
            return False
        for name in step.after:
            self._bring_to_match(self.done[name])
        goes_on = before is not None and before.key == key and not before.finished
        _remove_old(step, with_unfinished=not goes_on)
        self._run(step, StepRecord(key=key, matches=matches), label)
        return True

    def due(self, steps: Sequence[Step]) -> list[Step]:
        """Return which of the steps that follow have to be run, as far as can be told before the first of them is.

        Raises:
            UpError: something that they read cannot be read.
        """
        record, found = read_up_record(self.work.record), dict[str, Step]()
        for step in steps:
            before = record.steps.get(step.name)
            known = not found.keys() & {*step.after} and {*step.after} <= record.steps.keys()
            if not (known and before and _is_done(step, before, _key(step, record))):
                found[step.name] = step
        return [*found.values()]

    def _bring_to_match(self, step: Step) -> None:
        """Do a finished step again whose output agrees no more with what a step reads that comes after it."""
        record = read_up_record(self.work.record)
        before, matches = record.steps[step.name], fingerprint_of(step.matches)
        if before.matches != matches:
            _remove_old(step, with_unfinished=True)
            self._run(step, before.model_copy(update={"matches": matches, "finished": False}), f"    {step.does}")

    def _run(self, step: Step, begun: StepRecord, label: str) -> None:
        log = self.work.logs / f"{step.name}.log"
        self._remember(step, begun)
        with StepLine(label) as line:
            run_program(step.arguments, log)
            if not step.output.exists():
                raise StepError(f"{step.name} made no {step.output}; what it said is in {log}")
        self._remember(step, begun.model_copy(update={"finished": True, "seconds": round(line.seconds, 1)}))

    def _remember(self, step: Step, run: StepRecord) -> None:
        write_up_record(self.work.record, read_up_record(self.work.record).with_step(step.name, run))


def run_program(arguments: tuple[str, ...], log: Path) -> None:
    """Run a program to its end; when this process is interrupted, so is the program.

    Raises:
        StepError: it ended with an error.
    """
    process = start_program(arguments, log)
    try:
        wait_for(process)
    finally:
        stop_program(process)
    if process.returncode:
        command = " ".join(arguments[:2])
        raise StepError(f"{command} ended with status {process.returncode}: {printable(last_words(log))} (log: {log})")


def fingerprint_of(contents: tuple[Content, ...]) -> str:
    """Return one fingerprint of several contents."""
    return hashlib.sha256("\n".join(content.fingerprint() for content in contents).encode()).hexdigest()


def _key(step: Step, record: UpRecord) -> str:
    """Return the fingerprint of all that a step's output is made from."""
    earlier = [record.steps[name].key for name in step.after]
    parts = [*step.arguments, code_fingerprint(step.program), *earlier, fingerprint_of(step.reads)]
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()


def _is_done(step: Step, before: StepRecord, key: str) -> bool:
    return before.finished and before.key == key and step.output.exists()


def _remove_old(step: Step, *, with_unfinished: bool) -> None:
    """Remove what an earlier run of a step made, unless the program replaces it itself.

    Args:
        step: the step.
        with_unfinished: whether to remove also what a run that was stopped left, from which the program could go on.
    """
    if step.keeps_output:
        return
    folder = step.output.parent
    unfinished = folder.parent.glob(f".{folder.name}.*") if with_unfinished else ()
    for path in (folder, *unfinished):
        shutil.rmtree(path, ignore_errors=True)
