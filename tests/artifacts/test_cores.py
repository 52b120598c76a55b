import os

import pytest

from artifacts.cores import usable_cores


def test_cores_are_those_of_the_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2, 5}, raising=False)
    assert usable_cores() == 3


@pytest.mark.parametrize(("found", "count"), [(4, 4), (None, 1)])
def test_without_affinity_all_cores_count(found: int | None, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: found)
    assert usable_cores() == count
