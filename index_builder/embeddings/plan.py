"""Plans: what a build has to encode, cut into tasks. A plan is a file in the pool, from which a killed build continues.

The vector of a product differs in its last digits with the products that it is encoded with. Equal tasks give equal
vectors, whether one build encoded them or three.

Each task becomes a shard. The names of shards are in the order in which plans were made: where a key is in two shards,
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

# A few seconds of texts and small photos, some minutes of a large CLIP on a CPU. It also bounds the memory of a task.
DEFAULT_SHARD_ROWS = 4096
PLAN_SUFFIX = ".plan"
_PLAN_SCHEMA_VERSION = "2"
_COLUMNS = {"text": pa.string(), "images": pa.list_(pa.string())}
_SHARD_NAME = re.compile(r"(\d{8})-(\d{6,})\.shard")


@dataclass(frozen=True)
class Plan:
    """A Parquet file of products to encode, in which each task is a row group.

    Attributes:
        path: the file.
        sequence: its place in the order of the pool's plans.
        rows: number of products.
        shard_rows: number of products of a task; the last one may have fewer.
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
        """Numbers of the tasks whose shard is not written yet."""
        return [task for task in self.tasks if not self.shard_path(task).exists()]

    def rows_of(self, task: int) -> int:
        """Return the number of products of a task."""
        return min(self.shard_rows, self.rows - task * self.shard_rows)

    def shard_path(self, task: int) -> Path:
        """Return the path of the shard that a task becomes."""
        return self.path.parent / f"{self.sequence:08}-{task:06}.shard"

    def products(self, task: int) -> tuple[list[str], list[list[str]]]:
        """Return texts and photos of a task; a photo is a path or a URL.

        Raises:
            BuildError: the plan is damaged.
        """
        try:
            with pq.ParquetFile(self.path, page_checksum_verification=True) as file:
                table = file.read_row_group(task)
        except (pa.ArrowException, OSError) as error:
            raise BuildError(f"{self.path} cannot be read: {error}; remove it and build again") from error
        return table["text"].to_pylist(), table["images"].to_pylist()


def write_plan(path: Path, purpose: str, products: Iterator[pa.RecordBatch], shard_rows: int) -> Plan:
    """Write a plan whose sequence number follows all others of its folder.

    Args:
        path: the file; an existing plan is replaced.
        purpose: digest of what the plan is for; `open_plan` compares it.
        products: text and images of the products, in the order of encoding.
        shard_rows: number of products of a task; the last one may have fewer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sequence = next_sequence(path.parent)
    metadata = {"version": _PLAN_SCHEMA_VERSION, "purpose": purpose, "sequence": sequence, "shard_rows": shard_rows}
    schema = pa.schema(_COLUMNS, metadata={key: str(value) for key, value in metadata.items()})
    rows = 0
    with new_file(path) as temporary, pq.ParquetWriter(temporary, schema, write_page_checksum=True) as writer:
        for task in _tasks(products, shard_rows):
            writer.write_table(task.cast(schema), row_group_size=shard_rows)
            rows += len(task)
    return Plan(path, sequence, rows, shard_rows)


def open_plan(path: Path, purpose: str) -> Plan | None:
    """Return the plan that an earlier build left; None where it is missing, unreadable or for another purpose."""
    metadata, rows = _read_metadata(path)
    if metadata.get("version") != _PLAN_SCHEMA_VERSION or metadata.get("purpose") != purpose:
        return None
    return Plan(path, int(metadata["sequence"]), rows, int(metadata["shard_rows"]))


def sequence_of(path: Path) -> int | None:
    """Return the sequence number of a plan or shard; None for a file that is neither."""
    if path.suffix == PLAN_SUFFIX:
        metadata, _ = _read_metadata(path)
        return int(metadata["sequence"]) if metadata.get("version") == _PLAN_SCHEMA_VERSION else None
    match = _SHARD_NAME.fullmatch(path.name)
    return int(match[1]) if match else None


def next_sequence(folder: Path) -> int:
    """Return the sequence number of a new plan, which follows all plans and shards of a folder."""
    return 1 + max((sequence_of(path) or 0 for path in folder.iterdir()), default=0)


def _read_metadata(path: Path) -> tuple[dict[str, str], int]:
    """Return the metadata of a plan and its number of products; nothing where it cannot be read."""
    try:
        with pq.ParquetFile(path) as file:
            metadata = file.schema_arrow.metadata or {}
            return {key.decode(): value.decode() for key, value in metadata.items()}, int(file.metadata.num_rows)
    except (pa.ArrowException, OSError):
        return {}, 0


def _tasks(products: Iterator[pa.RecordBatch], shard_rows: int) -> Iterator[pa.Table]:
    """Regroup the products into tables of `shard_rows`; the last one may have fewer."""
    pending: list[pa.RecordBatch] = []
    count = 0
    for batch in products:
        pending.append(batch)
        count += len(batch)
        if count >= shard_rows:
            table = pa.Table.from_batches(pending)
            whole = count - count % shard_rows
            yield from (table.slice(start, shard_rows) for start in range(0, whole, shard_rows))
            pending, count = table.slice(whole).to_batches(), count - whole
    if count:
        yield pa.Table.from_batches(pending)
