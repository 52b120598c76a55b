"""What a person sees while steps run: one line a step, on a terminal with the time that it takes."""

import sys
import threading
import time
from types import TracebackType
from typing import Self

_CLEAR_LINE = "\r\033[K"


def duration(seconds: float) -> str:
    """Return a time as people say it: 4 s, 2 min 05 s, 1 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


class StepLine:
    """The line of a step while it runs; a context in which it is shown. On a terminal it counts the seconds."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._counting = threading.Thread(target=self._count, daemon=True) if sys.stdout.isatty() else None

    @property
    def seconds(self) -> float:
        """Seconds since the line was begun."""
        return time.monotonic() - self._began

    def __enter__(self) -> Self:
        print(self._text, end=" ", flush=True)
        if self._counting:
            self._counting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._counting:
            self._counting.join()
            print(f"{_CLEAR_LINE}{self._text}", end=" ")
        stopped = kind is not None and issubclass(kind, KeyboardInterrupt)
        print("stopped" if stopped else "failed" if kind else duration(self.seconds), flush=True)

    def _count(self) -> None:
        while not self._ended.wait(1):
            print(f"{_CLEAR_LINE}{self._text} {duration(self.seconds)}", end=" ", flush=True)
