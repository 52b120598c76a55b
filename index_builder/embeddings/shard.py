"""Shards: files of the vectors of some products, each with its key and the outcome of its photo.

    32 bytes     SHA-256 of what follows
    Arrow file   columns key (16 bytes), vector (D times float32), outcome, attempts, tried_at; where a build keeps
                 them, towers (T times float16); where products of several photos have some that cannot be used,
                 failures; schema version

A shard is written wholly or not at all; one that is damaged, holds vectors that are no numbers, or is of another schema
version, is encoded again.
"""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.checksummed_file import read_checksummed, write_checksummed
from artifacts.index_version import TowerVectors
from index_builder.core.keys import KEY_BYTES, Keys, Rows
from index_builder.photos.reasons import are_passing
from towers.photos import ABSENT, USABLE
from towers.query_encoder import Vectors

SHARD_SCHEMA_VERSION = 1  # raise it also when the same model encodes the same photo differently
_VERSION_KEY = b"vitrine_shard"
_TOWERS = "towers"
PHOTO_COLUMNS: dict[str, pa.DataType] = {
    "outcome": pa.string(),  # USABLE, ABSENT, or the reason of a PhotoError
    "attempts": pa.int32(),
    "tried_at": pa.timestamp("ms", tz="UTC"),
}
FAILURES = "failures"  # of products of several photos, by photo; absent where there are none
FAILURES_TYPE = pa.list_(pa.struct({"image": pa.string(), **PHOTO_COLUMNS}))


@dataclass(frozen=True)
class PhotoFailure:
    """What became of a photo that could not be used.

    Attributes:
        image: the photo; None where the product has no other one.
        outcome: the reason.
        attempts: how often it was tried.
        tried_at: time of the last attempt, UTC.
    """

    image: str | None
    outcome: str
    attempts: int
    tried_at: datetime.datetime


@dataclass(frozen=True, eq=False)
class Shard:
    """The content of a shard.

    Attributes:
        keys: (n, 2), keys of texts and photos as they were read.
        vectors: (n, D), float32 of unit length.
        photos: outcomes of the products' photos, with PHOTO_COLUMNS and perhaps FAILURES.
        tower_vectors: (n, T), unit vectors of all towers of the product side, concatenated, where the build keeps them.
    """

    keys: Keys
    vectors: Vectors
    photos: pa.Table
    tower_vectors: TowerVectors | None = None

    @property
    def failures(self) -> npt.NDArray[np.int64]:
        """The number of each product's photos that could not be used. Shape (n,)."""
        not_failed = pc.is_in(self.photos["outcome"], value_set=pa.array([USABLE, ABSENT]))
        failures: npt.NDArray[np.int64] = (~not_failed.to_numpy()).astype(np.int64)
        if FAILURES in self.photos.column_names:
            listed = pc.fill_null(pc.list_value_length(self.photos[FAILURES]), 0).to_numpy()
            failures = np.maximum(failures, listed)
        return failures

    @property
    def passing(self) -> npt.NDArray[np.bool_]:
        """Whether a photo of each product could not be used for a reason that may pass by itself. Shape (n,)."""
        passing: npt.NDArray[np.bool_] = np.array(are_passing(self.photos["outcome"]).to_numpy())
        if FAILURES in self.photos.column_names:
            column = self.photos[FAILURES].combine_chunks()
            reasons = are_passing(column.flatten().field("outcome")).to_numpy(zero_copy_only=False)
            passing[pc.list_parent_indices(column).to_numpy()[reasons]] = True
        return passing

    def photo_failures(self, row: int) -> list[PhotoFailure]:
        """Return what is known of a product's photos that could not be used."""
        listed = self.photos[FAILURES][row].as_py() if FAILURES in self.photos.column_names else None
        if listed:
            return [PhotoFailure(**failure) for failure in listed]
        outcome = {name: self.photos[name][row].as_py() for name in PHOTO_COLUMNS}
        return [] if outcome["outcome"] in (USABLE, ABSENT) else [PhotoFailure(None, **outcome)]

    def taken(self, rows: Rows) -> "Shard":
        """Return a shard of these rows only."""
        towers = None if self.tower_vectors is None else self.tower_vectors[rows]
        return Shard(self.keys[rows], self.vectors[rows], self.photos.take(pa.array(rows)), towers)


def write_shard(path: Path, shard: Shard) -> None:
    """Write a shard atomically."""
    key = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(KEY_BYTES), len(shard.keys), [None, pa.py_buffer(np.ascontiguousarray(shard.keys, "<u8"))]
    )
    columns = {"key": key, "vector": _lists(shard.vectors, "<f4")}
    columns |= {name: shard.photos[name] for name in shard.photos.column_names}
    if shard.tower_vectors is not None:
        columns[_TOWERS] = _lists(shard.tower_vectors, "<f2")
    table = pa.table(columns).combine_chunks().replace_schema_metadata({_VERSION_KEY: str(SHARD_SCHEMA_VERSION)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    write_checksummed(path, sink.getvalue().to_pybytes())


def read_shard(path: Path, width: int) -> Shard | None:
    """Return the content of a shard.

    None where it is missing, damaged, of another width or schema version, or has a vector that is not finite.
    """
    content = read_checksummed(path)
    if content is None:
        return None
    try:
        table = pa.ipc.open_file(pa.BufferReader(content)).read_all()
        version, vector = (table.schema.metadata or {}).get(_VERSION_KEY), table.schema.field("vector").type
    except (pa.ArrowException, KeyError):
        return None
    if version != str(SHARD_SCHEMA_VERSION).encode() or vector.list_size != width:
        return None
    table = table.combine_chunks()
    vectors = _rows(table["vector"])
    if not np.isfinite(vectors).all():  # an older release wrote it
        return None
    return Shard(
        np.frombuffer(table["key"].chunk(0).buffers()[1], "<u8").reshape(-1, 2),
        vectors,
        table.select([*PHOTO_COLUMNS, *({FAILURES} & {*table.column_names})]),
        _rows(table[_TOWERS]) if _TOWERS in table.column_names else None,
    )


def _lists(rows: npt.NDArray[Any], kind: str) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(rows, kind).reshape(-1)), rows.shape[1])


def _rows(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    rows: npt.NDArray[Any] = column.chunk(0).flatten().to_numpy().reshape(-1, column.type.list_size)
    return rows
