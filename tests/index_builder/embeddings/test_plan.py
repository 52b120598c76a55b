"""Plans: products cut into tasks, the same ones for the build that continues."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from index_builder.core.errors import BuildError
from index_builder.embeddings.plan import Plan, next_sequence, open_plan, sequence_of, write_plan


def photos_of_row(row: int) -> list[str]:
    return [f"{row}-{number}.png" for number in range(row % 3)]


def batches(*sizes: int) -> Iterator[pa.RecordBatch]:
    """Products in record batches of these sizes."""
    start = 0
    for size in sizes:
        rows = range(start, start + size)
        texts, images = [f"t{row}" for row in rows], [photos_of_row(row) for row in rows]
        yield pa.RecordBatch.from_arrays(
            [pa.array(texts, pa.string()), pa.array(images, pa.list_(pa.string()))], names=["text", "images"]
        )
        start += size


def all_products(plan: Plan) -> list[tuple[list[str], list[list[str]]]]:
    return [plan.products(task) for task in plan.tasks]


@pytest.mark.parametrize("sizes", [(10,), (1,) * 10, (3, 0, 7), (4, 4, 2), (9, 1)])
def test_tasks_do_not_depend_on_how_products_are_read(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    plan = write_plan(tmp_path / "x.plan", "nightly", batches(*sizes), shard_rows=4)
    assert (plan.rows, list(plan.tasks)) == (10, [0, 1, 2])
    assert [plan.rows_of(task) for task in plan.tasks] == [4, 4, 2]
    expected = [(f"t{row}", photos_of_row(row)) for row in range(10)]
    found = [list(zip(*plan.products(task), strict=True)) for task in plan.tasks]
    assert found == [expected[:4], expected[4:8], expected[8:]]


def test_a_plan_is_found_again_for_the_same_purpose_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.plan"
    assert open_plan(path, "a") is None
    plan = write_plan(path, "a", batches(10), 3)
    again = open_plan(path, "a")
    assert again == plan
    assert again is not None and all_products(again) == all_products(plan)
    assert open_plan(path, "b") is None
    path.write_bytes(path.read_bytes()[:-20])
    assert open_plan(path, "a") is None


def test_unfinished_tasks_are_those_without_a_shard(tmp_path: Path) -> None:
    plan = write_plan(tmp_path / "x.plan", "a", batches(10), 3)
    assert plan.unfinished == [0, 1, 2, 3]
    plan.shard_path(1).write_bytes(b"")
    plan.shard_path(3).write_bytes(b"")
    assert plan.unfinished == [0, 2]


def test_shards_of_later_plans_come_later(tmp_path: Path) -> None:
    first = write_plan(tmp_path / "x.plan", "a", batches(2), 1)
    second = write_plan(tmp_path / "y.plan", "a", batches(2), 1)  # no shard is there yet
    second.shard_path(1).write_bytes(b"")
    second.path.unlink()
    third = write_plan(tmp_path / "y.plan", "b", batches(2), 1)
    shards = [plan.shard_path(task) for plan in (first, second, third) for task in (0, 1)]
    assert shards == sorted(set(shards))
    assert [sequence_of(path) for path in shards] == [1, 1, 2, 2, 3, 3]
    assert next_sequence(tmp_path) == 4
    assert sequence_of(first.path) == 1
    assert sequence_of(tmp_path / ".lock") is None


def test_a_plan_is_there_wholly_or_not_at_all(tmp_path: Path) -> None:
    before = write_plan(tmp_path / "x.plan", "a", batches(2), 1)

    def broken() -> Iterator[pa.RecordBatch]:
        yield from batches(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_plan(tmp_path / "x.plan", "b", broken(), 1)
    assert os.listdir(tmp_path) == ["x.plan"]
    assert open_plan(tmp_path / "x.plan", "a") == before


def test_a_damaged_task_is_told(tmp_path: Path) -> None:
    plan = write_plan(tmp_path / "x.plan", "a", batches(2000), 1000)
    content = bytearray(plan.path.read_bytes())
    content[1000] ^= 1
    plan.path.write_bytes(content)
    with pytest.raises(BuildError, match=r"x\.plan cannot be read: .*; remove it and build again"):
        plan.products(0)
    assert len(plan.products(1)[0]) == 1000
