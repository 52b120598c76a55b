"""Real builds as processes that can be killed, begun with their imports done.

Each runs the command line's own program in a process of its own. What `python -m index_builder` does before that, which
is to import torch, takes longer than all the rest of a small build, and is the same each time.
"""

import multiprocessing
import os
import signal
import time
from pathlib import Path

from index_builder import build  # noqa: F401 (these four are what the commands import when they are run)
from index_builder.cli.app import app
from index_builder.embeddings import embed  # noqa: F401
from index_builder.versions import gate, publish  # noqa: F401

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])

STAGES = {"encoding ": "encode", "continuing ": "encode", "building ": "build", str(os.sep): "publish"}


class BuildProcess:
    """A command of the index builder.

    Args:
        arguments: of the command line.
        log: file for what it says.
        stage: in which it begins; otherwise it says so itself.
    """

    def __init__(self, arguments: list[str], log: Path, stage: str = "") -> None:
        self._log = log
        self.began = {stage: time.monotonic()} if stage else dict[str, float]()  # stages, by `time.monotonic`
        self._process = _CONTEXT.Process(target=_run, args=(arguments, str(log)))
        self._process.start()

    def wait_for(self, stage: str, file: Path | None) -> None:
        """Until a stage begins, or this file is there, or the process ends before."""
        while self._process.is_alive() and not (file.exists() if file else stage in self.began):
            time.sleep(0.001)
            self._listen()

    def kill(self) -> bool:
        """SIGKILL; False if it had ended by itself, and well."""
        self._process.kill()
        return not self._ended_well()

    def finish(self) -> dict[str, float]:
        """Let it end; gives how long each stage took, in seconds."""
        while self._process.is_alive():
            time.sleep(0.001)
            self._listen()
        assert self._ended_well()
        times = [*self.began.values(), time.monotonic()]
        return {stage: after - began for stage, began, after in zip(self.began, times[:-1], times[1:], strict=True)}

    def _listen(self) -> None:
        """Note the stages that it tells of."""
        for line in self._log.read_text().splitlines() if self._log.exists() else ():
            for beginning, stage in STAGES.items():
                if line.startswith(beginning):
                    self.began.setdefault(stage, time.monotonic())

    def _ended_well(self) -> bool:
        self._process.join()
        assert self._process.exitcode in (0, -signal.SIGKILL), self._log.read_text()
        return self._process.exitcode == 0


def _run(arguments: list[str], log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    app(arguments)
