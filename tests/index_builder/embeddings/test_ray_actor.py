"""What a node of a cluster does, in this process: the shards of the local engine, and faults as sentences."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artifacts.catalog import open_catalog
from artifacts.side import WEIGHTS_FILE
from index_builder.embeddings.job import EncodingJob
from index_builder.embeddings.local_engine import LocalEngine
from index_builder.embeddings.plan import write_plan
from index_builder.embeddings.ray_actor import Encoder
from index_builder.embeddings.shard import Shard, read_shard
from index_builder.photos.download import DownloadSettings
from tests.index_builder.embedding import as_planned


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An actor sets the threads of its process, which here is ours."""
    for name in ("OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    yield
    torch.set_num_threads(1)


@pytest.fixture
def job(bundle: Path, catalog: Path, tmp_path: Path) -> EncodingJob:
    """The shop in five tasks, the last of 20 products."""
    plan = write_plan(tmp_path / "pool" / "x.plan", "a test", as_planned(open_catalog(catalog).batches()), 70)
    return EncodingJob(bundle, catalog.parent, plan, DownloadSettings())


def rows(actor: Encoder, *tasks: int) -> list[tuple[int, str]]:
    """Task and fault of each row that an actor gives for these tasks."""
    found = list(actor({"tasks": np.array([tasks])}))
    assert all(len(values) == 1 for row in found for values in row.values())
    return [(row["task"][0], row["fault"][0]) for row in found]


def shards(job: EncodingJob, tasks: Sequence[int]) -> list[Shard]:
    found = [read_shard(job.plan.shard_path(task), 56) for task in tasks]
    assert all(shard is not None for shard in found)
    return [shard for shard in found if shard is not None]


def names(job: EncodingJob) -> list[str]:
    return sorted(os.listdir(job.plan.path.parent))


def test_shards_are_those_of_the_local_engine(job: EncodingJob) -> None:
    assert rows(Encoder(job, 1), 0, 3, 4) == [(0, ""), (3, ""), (4, "")]
    ours = shards(job, (0, 3, 4))
    assert names(job) == [*(f"00000001-{task:06}.shard" for task in (0, 3, 4)), "x.plan"]
    LocalEngine()(job, [0, 3, 4], lambda products: None)
    for mine, theirs in zip(ours, shards(job, (0, 3, 4)), strict=True):
        np.testing.assert_array_equal(mine.keys, theirs.keys)
        np.testing.assert_array_equal(mine.vectors, theirs.vectors)
        reported = ["outcome", "attempts"]
        assert mine.photos.select(reported).equals(theirs.photos.select(reported))


def test_what_a_lost_node_wrote_is_not_done_again(job: EncodingJob) -> None:
    actor = Encoder(job, 1)
    rows(actor, 1)
    before = job.plan.shard_path(1).stat()
    assert sorted(rows(actor, 0, 1)) == [(0, ""), (1, "")]
    assert job.plan.shard_path(1).stat() == before


def test_an_actor_uses_the_threads_that_it_is_given(job: EncodingJob) -> None:
    Encoder(job, 2)
    assert (torch.get_num_threads(), os.environ["OMP_NUM_THREADS"], os.environ["RAYON_NUM_THREADS"]) == (2, "2", "2")


@pytest.mark.parametrize("what", ["plan", "bundle", "photos"])
def test_what_a_node_does_not_see_is_named(job: EncodingJob, what: str) -> None:
    gone = Path("/nowhere/at all")
    changes: dict[str, Any] = {what: replace(job.plan, path=gone) if what == "plan" else gone}
    ((task, fault),) = rows(Encoder(replace(job, **changes), 1), 0)
    assert task == -1
    assert fault == f"{gone} is not there; bundle, photos and store must be on a file system that all nodes see"
    assert names(job) == ["x.plan"]


def test_a_damaged_bundle_is_a_sentence(job: EncodingJob, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(job.bundle, tmp_path / "bundle"))
    weights = bundle / "product" / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-1])
    ((task, fault),) = rows(Encoder(replace(job, bundle=bundle), 1), 0)
    assert task == -1
    assert fault.startswith(str(bundle)) and "\n" not in fault


def test_a_damaged_plan_is_a_sentence(job: EncodingJob) -> None:
    actor = Encoder(job, 1)
    content = bytearray(job.plan.path.read_bytes())
    content[100:110] = bytes(10)
    job.plan.path.write_bytes(content)
    ((task, fault),) = rows(actor, 0)
    assert task == -1
    assert f"{job.plan.path} cannot be read" in fault


def test_a_task_that_kills_its_process_is_not_started_for_ever(job: EncodingJob) -> None:
    actor = Encoder(job, 1)
    for _ in range(4):
        assert next(actor._count_starts([2])) == 2  # started, and its process lost
    assert rows(actor, 2) == [(-1, "task 2 was started 4 times, and each time its process was lost")]
    assert rows(actor, 3) == [(3, "")]
