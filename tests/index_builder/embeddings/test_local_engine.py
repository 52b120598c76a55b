"""Encoding on the devices of this machine, with CPUs standing in for GPUs."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from index_builder.core.errors import OptionError
from index_builder.embeddings import local_engine
from index_builder.embeddings.local_engine import LocalEngine, encoding_devices
from tests.index_builder.embeddings.test_tasks import a_job, shards_of
from tests.service.waiting import WAIT_SECONDS


def test_several_devices_encode_what_one_does(bundle: Path, catalog: Path, tmp_path: Path) -> None:
    one, two, encoded = a_job(bundle, catalog, tmp_path / "one"), a_job(bundle, catalog, tmp_path / "two"), list[int]()
    LocalEngine()(one, one.plan.tasks, lambda products: None)
    LocalEngine(("cpu", "cpu"))(two, two.plan.tasks, encoded.append)
    for mine, theirs in zip(shards_of(one.plan), shards_of(two.plan), strict=True):
        np.testing.assert_array_equal(mine.vectors, theirs.vectors)
    assert sum(encoded) == sum(two.plan.rows_of(task) for task in two.plan.tasks)


class _Encoders:
    """Stands in for the encoders of two devices; each waits in its first task until the other has one as well."""

    def __init__(self, fails: str = "") -> None:
        self._fails = fails
        self._both = threading.Barrier(2)
        self.tasks: dict[str, list[int]] = {}

    def load(self, job: Any, device: str) -> str:
        return device

    def encode(self, job: Any, device: str, tasks: Iterator[int], advance: Any) -> Iterator[int]:
        self.tasks[device] = []
        for task in tasks:
            if not self.tasks[device]:
                self._both.wait(WAIT_SECONDS)
            if device == self._fails:
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            self.tasks[device].append(task)
            yield task


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> _Encoders:
    made = _Encoders(getattr(request, "param", ""))
    monkeypatch.setattr(local_engine, "load_encoder", made.load)
    monkeypatch.setattr(local_engine, "encode_tasks", made.encode)
    return made


def test_all_devices_encode_at_once_and_each_task_once(encoders: _Encoders) -> None:
    LocalEngine(("cuda:0", "cuda:1"))(None, range(20), lambda products: None)  # type: ignore[arg-type]
    assert set(encoders.tasks) == {"cuda:0", "cuda:1"} and all(encoders.tasks.values())
    assert sorted(task for tasks in encoders.tasks.values() for task in tasks) == list(range(20))


@pytest.mark.parametrize("encoders", ["cuda:1"], indirect=True)
def test_a_failure_of_one_device_is_told(encoders: _Encoders) -> None:
    with pytest.raises(RuntimeError, match="illegal memory access"):
        LocalEngine(("cuda:0", "cuda:1"))(None, range(20), lambda products: None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "gpus", "expected"),
    [
        ("auto", 0, ("cpu",)),
        ("auto", 2, ("cuda:0", "cuda:1")),
        ("cpu", 2, ("cpu",)),
        ("cuda", 2, ("cuda:0", "cuda:1")),
        ("cuda:1", 2, ("cuda:1",)),
    ],
)
def test_devices(monkeypatch: pytest.MonkeyPatch, wanted: str, gpus: int, expected: tuple[str, ...]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert encoding_devices(wanted) == expected


@pytest.mark.parametrize(("wanted", "gpus"), [("cuda", 0), ("cuda:2", 2), ("cuda:x", 2), ("gpu", 2)])
def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, wanted: str, gpus: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(OptionError, match=f"^--encoding-device is '{wanted}': expected .* one of the {gpus} GPUs"):
        encoding_devices(wanted)
