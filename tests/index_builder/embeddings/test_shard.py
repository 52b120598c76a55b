"""Shards: what is written is read, and nothing else is."""

import dataclasses
import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from artifacts.checksummed_file import read_checksummed, write_checksummed
from index_builder.embeddings import shard as shards
from index_builder.embeddings.shard import PHOTO_COLUMNS, Shard, read_shard, write_shard

NOON = datetime.datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=datetime.UTC)


def a_shard(rows: int, width: int = 7, seed: int = 0) -> Shard:
    rng = np.random.default_rng(seed)
    outcomes = [("usable", "absent", "timeout", "missing")[row % 4] for row in range(rows)]
    photos = pa.table(
        {
            "outcome": outcomes,
            "attempts": pa.array(range(rows), pa.int32()),
            "tried_at": pa.array(
                [NOON + datetime.timedelta(seconds=row) for row in range(rows)], pa.timestamp("ms", "UTC")
            ),
        }
    )
    keys = rng.integers(0, 2**64, (rows, 2), dtype=np.uint64)
    return Shard(keys, rng.normal(size=(rows, width)).astype(np.float32), photos)


def assert_equal(one: Shard, other: Shard) -> None:
    np.testing.assert_array_equal(one.keys, other.keys)
    np.testing.assert_array_equal(one.vectors, other.vectors)
    assert one.photos.equals(other.photos)
    np.testing.assert_array_equal(one.tower_vectors, other.tower_vectors)


@pytest.mark.parametrize(("rows", "width"), [(1, 1), (5, 7), (300, 256)])
def test_what_is_written_is_read(tmp_path: Path, rows: int, width: int) -> None:
    written = a_shard(rows, width)
    write_shard(tmp_path / "x", written)
    read = read_shard(tmp_path / "x", width)
    assert read is not None
    assert_equal(read, written)
    assert (read.vectors.dtype, read.keys.dtype) == (np.float32, np.uint64)
    assert {field.name: field.type for field in read.photos.schema} == PHOTO_COLUMNS
    assert read.failures.tolist() == [int(row % 4 > 1) for row in range(rows)]


def test_vectors_of_towers_are_read_as_they_were_written(tmp_path: Path) -> None:
    plain, rows = a_shard(9), np.array([8, 2, 2])
    towers = np.random.default_rng(3).standard_normal((9, 5)).astype(np.float16)
    towers[2, 1:] = np.nan
    written = dataclasses.replace(plain, tower_vectors=towers)
    write_shard(tmp_path / "x", written)
    write_shard(tmp_path / "y", plain)
    read, without = read_shard(tmp_path / "x", 7), read_shard(tmp_path / "y", 7)
    assert read is not None and read.tower_vectors is not None and without is not None
    assert_equal(read, written)
    assert read.tower_vectors.dtype == np.float16
    assert without.tower_vectors is None and without.taken(rows).tower_vectors is None
    np.testing.assert_array_equal(read.taken(rows).tower_vectors, towers[rows])


def test_equal_shards_are_equal_files(tmp_path: Path) -> None:
    for name in "xy":
        write_shard(tmp_path / name, a_shard(40))
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


def test_some_rows_alone(tmp_path: Path) -> None:
    whole, rows = a_shard(9), np.array([8, 2, 2])
    write_shard(tmp_path / "x", whole.taken(rows))
    read = read_shard(tmp_path / "x", 7)
    assert read is not None
    assert_equal(read, Shard(whole.keys[rows], whole.vectors[rows], whole.photos.take(rows)))
    assert read.failures.tolist() == [0, 1, 1]


def test_every_damage_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_shard(path, a_shard(3, 2))
    sound = path.read_bytes()
    for place in range(0, len(sound), 41):
        damaged = bytearray(sound)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        assert read_shard(path, 2) is None
        path.write_bytes(sound[:place])
        assert read_shard(path, 2) is None
    path.unlink()
    assert read_shard(path, 2) is None


def test_a_checksummed_file_that_is_no_shard_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_checksummed(path, b"no Arrow")
    assert read_shard(path, 2) is None
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, pa.schema({"other": pa.int8()})):
        pass
    write_checksummed(path, sink.getvalue().to_pybytes())
    assert read_shard(path, 2) is None


def test_another_width_or_schema_version_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shard(tmp_path / "x", a_shard(3, 7))
    assert read_shard(tmp_path / "x", 8) is None
    assert read_shard(tmp_path / "x", 7) is not None
    monkeypatch.setattr(shards, "SHARD_SCHEMA_VERSION", 2)
    assert read_shard(tmp_path / "x", 7) is None


def test_anybody_can_read_a_shard_with_arrow(tmp_path: Path) -> None:
    """The checksum stands before a file of Arrow's own format."""
    write_shard(tmp_path / "x", a_shard(3, 2))
    content = read_checksummed(tmp_path / "x")
    assert content is not None
    table = pa.ipc.open_file(pa.BufferReader(content)).read_all()
    assert table.column_names == ["key", "vector", "outcome", "attempts", "tried_at"]
    assert table["outcome"].to_pylist() == ["usable", "absent", "timeout"]
    np.testing.assert_array_equal(np.array(table["vector"].to_pylist(), np.float32), a_shard(3, 2).vectors)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_shard_with_vectors_that_are_no_numbers_is_as_good_as_damaged(tmp_path: Path, value: float) -> None:
    written = a_shard(9)
    written.vectors[3, 2] = value
    write_shard(tmp_path / "x", written)
    assert read_shard(tmp_path / "x", 7) is None
