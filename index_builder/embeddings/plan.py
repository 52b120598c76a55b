"""What a build has to encode, cut into tasks: a file in the pool, so that a killed build goes on with the same tasks.

The vectors of a product differ in their last digits with the products that it is encoded with. Equal tasks give equal
vectors, whether one build did them or three.

Each task becomes a shard. The names of shards tell the order in which plans were made: where a key is in two shards,
the later one counts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.atomic import new_file
from index_builder.core.errors import BuildError

# A few seconds of titles and small photos, some minutes of a large CLIP on a CPU. It also bounds the memory of a task.
DEFAULT_SHARD_ROWS = 4096
PLAN_SUFFIX = ".plan"
_PLAN_SCHEMA_VERSION = "1"
_COLUMNS = {"title": pa.string(), "image": pa.string()}
_SHARD_NAME = re.compile(r"(\d{8})-(\d{6,})\.shard")


@dataclass(frozen=True)
class Plan:
    """A file of products to encode, a task a row group.

    Attributes:
        path: of the file.
        sequence: its place in the order of the pool's plans.
        rows: how many products.
        shard_rows: how many of them a task has; the last one may have fewer.
    """

    path: Path
    sequence: int
    rows: int
    shard_rows: int

    @property
    def tasks(self) -> range:
        """Numbers of the tasks."""
        return range(-(-self.rows // self.shard_rows))

    @property
    def unfinished(self) -> list[int]:
        """Numbers of the tasks whose shard is not there."""
        return [task for task in self.tasks if not self.shard_path(task).exists()]

    def rows_of(self, task: int) -> int:
        """How many products a task has."""
        return min(self.shard_rows, self.rows - task * self.shard_rows)

    def shard_path(self, task: int) -> Path:
        """Where the vectors of a task go."""
        return self.path.parent / f"{self.sequence:08}-{task:06}.shard"

    def products(self, task: int) -> tuple[list[str], list[str | None]]:
        """Titles and photos of a task; a photo is a path, a URL, or None where there is none to be had.

        Raises:
            BuildError: the plan is damaged.
        """
        try:
            with pq.ParquetFile(self.path, page_checksum_verification=True) as file:
                table = file.read_row_group(task)
        except (pa.ArrowException, OSError) as error:
            raise BuildError(f"{self.path} cannot be read: {error}; remove it and build again") from error
        return table["title"].to_pylist(), table["image"].to_pylist()


def write_plan(path: Path, purpose: str, products: Iterator[pa.RecordBatch], shard_rows: int) -> Plan:
    """Write a plan, after all others of its folder.

    Args:
        path: of the file; a plan that is there is replaced.
        purpose: what the plan is for, by which `open_plan` knows it again.
        products: title and image of the products, in the order in which they are to be encoded.
        shard_rows: products a task; the last one may have fewer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sequence = next_sequence(path.parent)
    told = {"version": _PLAN_SCHEMA_VERSION, "purpose": purpose, "sequence": sequence, "shard_rows": shard_rows}
    schema = pa.schema(_COLUMNS, metadata={key: str(value) for key, value in told.items()})
    rows = 0
    with new_file(path) as temporary, pq.ParquetWriter(temporary, schema, write_page_checksum=True) as writer:
        for task in _tasks(products, shard_rows):
            writer.write_table(task.cast(schema), row_group_size=shard_rows)
            rows += len(task)
    return Plan(path, sequence, rows, shard_rows)


def open_plan(path: Path, purpose: str) -> Plan | None:
    """The plan that an earlier build left; None where there is none, an unreadable one, or one for something else."""
    told, rows = _read_metadata(path)
    if told.get("version") != _PLAN_SCHEMA_VERSION or told.get("purpose") != purpose:
        return None
    return Plan(path, int(told["sequence"]), rows, int(told["shard_rows"]))


def sequence_of(path: Path) -> int | None:
    """The place in the order of plans, of a plan or of a shard; None for a file that is neither."""
    if path.suffix == PLAN_SUFFIX:
        told, _ = _read_metadata(path)
        return int(told["sequence"]) if told.get("version") == _PLAN_SCHEMA_VERSION else None
    match = _SHARD_NAME.fullmatch(path.name)
    return int(match[1]) if match else None


def next_sequence(folder: Path) -> int:
    """The place of a new plan: after all plans and shards of a folder."""
    return 1 + max((sequence_of(path) or 0 for path in folder.iterdir()), default=0)


def _read_metadata(path: Path) -> tuple[dict[str, str], int]:
    """What a plan says of itself, and how many products it has; nothing where it cannot be read."""
    try:
        with pq.ParquetFile(path) as file:
            told = file.schema_arrow.metadata or {}
            return {key.decode(): value.decode() for key, value in told.items()}, int(file.metadata.num_rows)
    except (pa.ArrowException, OSError):
        return {}, 0


def _tasks(products: Iterator[pa.RecordBatch], shard_rows: int) -> Iterator[pa.Table]:
    """The products in tables of `shard_rows`; the last one may have fewer."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in products:
        waiting.append(batch)
        count += len(batch)
        if count >= shard_rows:
            table = pa.Table.from_batches(waiting)
            whole = count - count % shard_rows
            yield from (table.slice(start, shard_rows) for start in range(0, whole, shard_rows))
            waiting, count = table.slice(whole).to_batches(), count - whole
    if count:
        yield pa.Table.from_batches(waiting)
