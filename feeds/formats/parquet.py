"""Parquet files with columns of any names."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from feeds.errors import UnreadableFeedError
from feeds.formats.flatten import flatten
from feeds.rows import Entry, Feed, Row

_BATCH_ROWS = 4096


def open_parquet(path: Path) -> Feed:
    """Open a Parquet file; nested columns are named by their path.

    Raises:
        UnreadableFeedError: it cannot be read.
    """
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFeedError(f"{path} cannot be read as Parquet: {error}") from error
    return Feed("Parquet", {}, list(file.schema_arrow.names), _entries(path, file))


def _entries(path: Path, file: pq.ParquetFile) -> Iterator[Entry]:
    number = 0
    try:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            for cells in batch.to_pylist():
                number += 1
                yield Row(number, flatten(cells))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UnreadableFeedError(f"{path} cannot be read after row {number}: {error}") from error
