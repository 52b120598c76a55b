"""Progress in a log: number, rate and remaining time, a line a minute."""

import pytest

from index_builder.core import progress
from index_builder.core.progress import report_progress


class Clock:
    now_s = 5000.0

    def monotonic(self) -> float:
        return self.now_s


def test_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, reported = Clock(), list[str]()
    monkeypatch.setattr(progress, "time", clock)
    with report_progress(10_000, 4_000, reported.append) as advance:
        for elapsed_s in (10.0, 30.0, 60.0, 90.0, 120.0):
            clock.now_s = 5000.0 + elapsed_s
            advance(300)
    assert reported == [
        "encoded 4,900 of 10,000 products, 15.0 a second, about 0:05:40 left",
        "encoded 5,500 of 10,000 products, 12.5 a second, about 0:06:00 left",
    ]
