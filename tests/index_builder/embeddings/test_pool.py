"""The pool: the latest vector of each key, out of sound shards alone, and one build at a time."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from artifacts.errors import StoreError
from index_builder.core.errors import BuildError
from index_builder.core.keys import joined_keys
from index_builder.embeddings.pool import Pool, open_pool, pool_folder
from index_builder.embeddings.pool_lock import hold_pool
from index_builder.embeddings.shard import Shard, write_shard
from tests.index_builder.embeddings.test_shard import a_shard
from tests.support.nodes import other_node, run_on

WIDTH = 7


def key(number: int) -> bytes:
    return number.to_bytes(8, "little") + bytes(8)


def put(pool: Pool, name: str, numbers: list[int], seed: int, towers: int = 0) -> Shard:
    """Write a shard with these keys, and vectors of towers if they have a width."""
    content = a_shard(len(numbers), WIDTH, seed)
    of_towers = np.random.default_rng(seed).standard_normal((len(numbers), towers)).astype(np.float16)
    shard = Shard(joined_keys(map(key, numbers)), content.vectors, content.photos, of_towers if towers else None)
    write_shard(pool.folder / f"{name}.shard", shard)
    return shard


def vectors_of(pool: Pool, numbers: list[int]) -> np.ndarray:
    """What the pool has for these keys."""
    places = pool.find(joined_keys(map(key, numbers)))
    vectors = np.full((len(numbers), WIDTH), np.nan, np.float32)
    for rows, shard in pool.shards(places, pytest.fail):
        vectors[rows] = shard.vectors
    return vectors


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path, WIDTH)


def test_vectors_are_found_in_any_order_and_more_than_once(pool: Pool) -> None:
    first, second = put(pool, "00000001-000000", [5, 6, 7], 1), put(pool, "00000001-000001", [8, 9], 2)
    pool.read(pytest.fail)
    expected = np.stack([second.vectors[1], first.vectors[0], second.vectors[1], first.vectors[2]])
    np.testing.assert_array_equal(vectors_of(pool, [9, 5, 9, 7]), expected)
    assert (pool.find(joined_keys([key(4), key(5), key(10)])) >= 0).tolist() == [False, True, False]
    assert np.isnan(vectors_of(pool, [4])).all()


def test_the_latest_shard_counts_whose_photo_could_be_used(pool: Pool) -> None:
    """The photos of the first two rows of a shard can be used, those of the next two can not."""
    put(pool, "00000002-000000", [0, 1, 4, 2], 1)
    latest = put(pool, "00000010-000000", [1, 2, 3, 4], 2)
    ninth = put(pool, "00000009-000005", [3, 2, 1], 3)
    pool.read(pytest.fail)
    expected = [latest.vectors[0], latest.vectors[1], ninth.vectors[0], latest.vectors[3]]
    np.testing.assert_array_equal(vectors_of(pool, [1, 2, 3, 4]), expected)
    places = pool.find(joined_keys(map(key, [1, 2, 3, 4, 9])))
    assert pool.failed(places).tolist() == [False, False, False, True, False]


def test_shards_that_come_later_are_read_too(pool: Pool) -> None:
    put(pool, "00000001-000000", [1], 1)
    pool.read(pytest.fail)
    second = put(pool, "00000002-000000", [2, 1], 2)
    pool.read(pytest.fail)
    np.testing.assert_array_equal(vectors_of(pool, [1, 2]), second.vectors[::-1])


def test_who_needs_vectors_of_towers_sees_only_shards_that_have_them(pool: Pool) -> None:
    first = put(pool, "00000001-000000", [1, 2], 1, towers=3)
    later = put(pool, "00000002-000000", [2, 3], 2)
    last = put(pool, "00000003-000000", [4], 3, towers=3)
    needing = Pool(pool.folder, WIDTH, with_tower_vectors=True)
    for each in (pool, needing):
        each.read(pytest.fail)
    np.testing.assert_array_equal(vectors_of(pool, [1, 2, 3, 4]), [first.vectors[0], *later.vectors, last.vectors[0]])
    assert np.isnan(vectors_of(needing, [3])).all()
    np.testing.assert_array_equal(vectors_of(needing, [4, 2, 1]), [last.vectors[0], *first.vectors[::-1]])
    places = needing.find(joined_keys(map(key, [4, 2, 1])))
    towers = [row for _, shard in needing.shards(places, pytest.fail) for row in np.array(shard.tower_vectors)]
    assert first.tower_vectors is not None and last.tower_vectors is not None
    np.testing.assert_array_equal(towers, [*first.tower_vectors, last.tower_vectors[0]])
    assert len(list(pool.folder.iterdir())) == 3  # the others stay


def test_a_damaged_shard_is_as_good_as_absent_and_it_is_told(pool: Pool) -> None:
    sound = put(pool, "00000001-000000", [1, 2], 1)
    put(pool, "00000002-000000", [2, 3], 2)
    path = pool.folder / "00000002-000000.shard"
    path.write_bytes(path.read_bytes()[:-1])
    reported: list[str] = []
    pool.read(reported.append)
    assert reported == [
        f"{path} is damaged, or was written by another release of Vitrine: its products are encoded again"
    ]
    assert not path.exists()
    np.testing.assert_array_equal(vectors_of(pool, [1, 2]), sound.vectors)
    assert pool.find(joined_keys([key(3)])).tolist() == [-1]


def test_a_shard_that_is_damaged_while_it_is_used_ends_the_build(pool: Pool) -> None:
    put(pool, "00000001-000000", [1, 2], 1)
    pool.read(pytest.fail)
    (pool.folder / "00000001-000000.shard").write_bytes(b"")
    with pytest.raises(BuildError, match="was damaged or replaced while the build was running; build again"):
        list(pool.shards(np.array([0]), lambda line: None))


def test_other_files_are_no_shards(pool: Pool) -> None:
    for name in ("notes.shard", "00000001-000000.shard.part", "x.plan"):
        (pool.folder / name).write_bytes(b"")
    pool.read(pytest.fail)
    assert len(list(pool.folder.iterdir())) == 3


def test_one_build_at_a_time(tmp_path: Path) -> None:
    with open_pool(tmp_path, "a" * 64, WIDTH) as pool:
        assert pool.folder == tmp_path / "embeddings" / ("a" * 16) == pool_folder(tmp_path, "a" * 64)
        with pytest.raises(BuildError) as caught, open_pool(tmp_path, "a" * 64, WIDTH):
            pytest.fail("shared")
        assert re.fullmatch(
            rf"another build with this model is running \(process {os.getpid()} on {platform.node()} since "
            rf"20\d\d-\S+T\S+\+00:00; it holds {pool.folder}\); wait for it, or give --wait MINUTES",
            str(caught.value),
        )
        with open_pool(tmp_path, "b" * 64, WIDTH):
            pass
    with hold_pool(pool.folder):
        pass


def test_another_process_holds_it_until_it_is_killed(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys\nfrom index_builder.embeddings.pool import open_pool\n"
        "with open_pool(pathlib.Path(sys.argv[1]), 'a' * 64, 7):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        with pytest.raises(BuildError, match="another build"), open_pool(tmp_path, "a" * 64, WIDTH):
            pytest.fail("shared")
        process.kill()
    with open_pool(tmp_path, "a" * 64, WIDTH):
        pass


def test_another_machine_sees_that_a_build_is_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_pool(tmp_path, "a" * 64, WIDTH) as pool:
        run_on(other_node(passing=lambda: pool.lease and pool.lease.beat()), monkeypatch)
        with pytest.raises(BuildError, match="another build with this model is running"), hold_pool(pool.folder):
            pytest.fail("shared")
        pool.read(pytest.fail)


def test_a_build_whose_pool_another_machine_took_over_reads_no_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine stood still for a minute."""
    with open_pool(tmp_path, "a" * 64, WIDTH) as pool:
        run_on(other_node(), monkeypatch)
        with open_pool(tmp_path, "a" * 64, WIDTH) as taken:
            with pytest.raises(StoreError, match="was taken over by another program"):
                pool.read(pytest.fail)
            taken.read(pytest.fail)


def test_a_shard_that_another_build_replaced_ends_the_build(pool: Pool) -> None:
    put(pool, "00000001-000000", [1, 2], 1)
    pool.read(pytest.fail)
    put(pool, "00000001-000000", [2, 1], 1)
    with pytest.raises(BuildError, match="was damaged or replaced while the build was running; build again"):
        list(pool.shards(np.array([0]), pytest.fail))


def test_what_a_killed_build_left_half_written_goes(tmp_path: Path) -> None:
    with open_pool(tmp_path, "a" * 64, WIDTH) as pool:
        put(pool, "00000001-000000", [1], 1)
        (pool.folder / ".00000001-000001.shard.x7d").write_bytes(b"half")
    with open_pool(tmp_path, "a" * 64, WIDTH) as pool:
        assert sorted(path.name for path in pool.folder.iterdir()) == [".lock", "00000001-000000.shard"]


def test_plans_and_memories_are_named_after_what_they_are_for(pool: Pool, tmp_path: Path) -> None:
    one, other = tmp_path / "a.parquet", tmp_path / "b.parquet"
    assert pool.plan_path(one) == pool.plan_path(tmp_path / "x" / ".." / "a.parquet") != pool.plan_path(other)
    assert pool.photo_cache_path(one) != pool.photo_cache_path(other)
