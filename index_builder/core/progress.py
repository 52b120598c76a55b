"""Progress of encoding: a bar on a terminal, a line a minute in a log."""

import datetime
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

ProgressReporter = Callable[[str], None]  # receives one line on what the build does now

SECONDS_BETWEEN_LINES = 60.0


@contextmanager
def report_progress(total: int, done: int, report: ProgressReporter) -> Iterator[Callable[[int], None]]:
    """Yield a function that counts encoded products: call it with the number of products just encoded.

    Args:
        total: number of products to encode.
        done: number of them that an earlier build encoded.
        report: receives number, rate and remaining time where standard error is no terminal.
    """
    with tqdm(total=total, initial=done, desc="encode", unit="product", disable=None) as bar:
        lines = _ProgressLines(total, done, report)

        def advance(products: int) -> None:
            bar.update(products)
            if bar.disable:
                lines.advance(products)

        yield advance


class _ProgressLines:
    """Reports a line of progress every SECONDS_BETWEEN_LINES."""

    def __init__(self, total: int, done: int, report: ProgressReporter) -> None:
        self._total, self._before, self._done, self._report = total, done, done, report
        self._started_s = self._reported_s = time.monotonic()

    def advance(self, products: int) -> None:
        self._done += products
        now_s = time.monotonic()
        if now_s - self._reported_s >= SECONDS_BETWEEN_LINES:
            self._reported_s = now_s
            self._report(self._line(now_s - self._started_s))

    def _line(self, elapsed_s: float) -> str:
        rate = (self._done - self._before) / elapsed_s
        left = datetime.timedelta(seconds=round((self._total - self._done) / rate))
        return f"encoded {self._done:,} of {self._total:,} products, {rate:,.1f} a second, about {left} left"
