"""How many threads a build may use."""

import os

import pytest

from index_builder.core.threads import thread_count


@pytest.mark.parametrize(("wanted", "expected"), [("1", 1), ("7", 7)])
def test_the_usual_variable_decides(monkeypatch: pytest.MonkeyPatch, wanted: str, expected: int) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert thread_count() == expected


@pytest.mark.parametrize("wanted", [None, "", "0", "-2", "many", "4,2"])
def test_otherwise_all_cores(monkeypatch: pytest.MonkeyPatch, wanted: str | None) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if wanted is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2, 5}, raising=False)
    assert thread_count() == 3
