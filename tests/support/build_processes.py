"""Real builds as processes that can be killed, begun with their imports done.

Each runs the command line's own program in a process of its own. What `python -m index_builder` does before that, which
is to import torch, takes longer than all the rest of a small build, and is the same each time.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from index_builder import build  # noqa: F401 (these four are what the commands import when they are run)
from index_builder.cli.app import app
from index_builder.embeddings import embed  # noqa: F401
from index_builder.versions import gate, publish  # noqa: F401
from tests.support.fork_server import FORK_SERVER

LONGEST_S = 240.0  # of a command, on a machine that is busy with other things
STAGES = {"encoding ": "encode", "continuing ": "encode", "building ": "build", str(os.sep): "publish"}


class BuildProcess:
    """A command of the index builder, in a process of its own.

    Args:
        arguments: arguments of the command line.
        log: file for its output.
        stage: stage in which it begins; empty where its output names the stages.
    """

    def __init__(self, arguments: list[str], log: Path, stage: str = "") -> None:
        self._log = log
        log.write_bytes(b"")  # the lines of a process before are not this one's
        self.began = {stage: time.monotonic()} if stage else dict[str, float]()  # stages, by `time.monotonic`
        self._process = FORK_SERVER.Process(target=run_command, args=(arguments, str(log)))
        self._process.start()

    def wait_for(self, stage: str, file: Path | None) -> None:
        """Wait until a stage begins or a file exists; return early where the process ends before."""
        awaited = str(file) if file else f"the stage {stage!r}"
        for _ in self._until_it_ends(awaited):
            if file.exists() if file else stage in self.began:
                return

    def kill(self) -> bool:
        """Send SIGKILL; return False if the process had ended well before."""
        self._process.kill()
        return not self._ended_well()

    def finish(self) -> dict[str, float]:
        """Wait until the process ends; return how long each stage took, in seconds."""
        for _ in self._until_it_ends("its end"):
            pass
        assert self._ended_well()
        times = [*self.began.values(), time.monotonic()]
        return {stage: after - began for stage, began, after in zip(self.began, times[:-1], times[1:], strict=True)}

    def _until_it_ends(self, awaited: str) -> Iterator[None]:
        """Yield every few milliseconds until the process ends, with its stages noted."""
        deadline_s = time.monotonic() + LONGEST_S
        while self._process.is_alive():
            if time.monotonic() > deadline_s:
                self._process.kill()
                raise AssertionError(f"{awaited} did not come within {LONGEST_S:g} s; so far: {self._log.read_text()}")
            self._note_stages()
            yield
            self._process.join(0.002)

    def _note_stages(self) -> None:
        """Note the time at which each stage is named in the output first."""
        for line in self._log.read_text().splitlines() if self._log.exists() else ():
            for beginning, stage in STAGES.items():
                if line.startswith(beginning):
                    self.began.setdefault(stage, time.monotonic())

    def _ended_well(self) -> bool:
        self._process.join()
        # A build that the gate refuses has done all its work; its version is kept and marked.
        is_refused = self._process.exitcode == 1 and "REFUSED BY THE GATE: version" in self._log.read_text()
        assert is_refused or self._process.exitcode in (0, -signal.SIGKILL), self._log.read_text()
        return self._process.exitcode != -signal.SIGKILL


def run_command(arguments: list[str], log: str) -> None:
    """Run a command of the index builder in this process, with its output in a file."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    app(arguments)
