"""Rows of Parquet files in batches that are bounded in rows and in bytes, whatever the file makes of them.

Rows of a few short values come 16,384 at a time, rows with texts of 30 KB about 500. A file is read from the disk page
by page, not a row group at a time. Only a batch of a single row can be larger than the bound.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

BATCH_BYTES = 16 << 20  # of decoded values
# What is decoded before its size is known. A file need not tell it: a long text that is in all rows is there once.
_ROWS_AT_ONCE = 1024


def read_batches(
    file: pq.ParquetFile, columns: Sequence[str], most_rows: int, most_bytes: int = BATCH_BYTES
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file in order, in batches that are as large as they may be.

    Args:
        file: the file, opened with IN_PIECES, lest it holds whole row groups.
        columns: the columns to read.
        most_rows: of a batch.
        most_bytes: of a batch of more than one row.
    """
    pending: list[pa.RecordBatch] = []
    rows = size = 0
    for step in _steps(file, columns, most_bytes):
        for part in bounded_slices(step, most_rows, most_bytes):
            part_size = decoded_bytes(part)
            if pending and (rows + len(part) > most_rows or size + part_size > most_bytes):
                yield pa.concat_batches(pending)
                pending, rows, size = [], 0, 0
            pending.append(part)
            rows, size = rows + len(part), size + part_size
    if pending:
        yield pa.concat_batches(pending)


def bounded_slices(batch: pa.RecordBatch, most_rows: int, most_bytes: int = BATCH_BYTES) -> Iterator[pa.RecordBatch]:
    """Yield a batch in halves, quarters and so on, each within the bounds or a single row."""
    if len(batch) <= 1 or (len(batch) <= most_rows and decoded_bytes(batch) <= most_bytes):
        yield batch
        return
    half = len(batch) // 2
    yield from bounded_slices(batch.slice(0, half), most_rows, most_bytes)
    yield from bounded_slices(batch.slice(half), most_rows, most_bytes)


def decoded_bytes(batch: pa.RecordBatch) -> int:
    """Return the size of a batch if each of its texts is written out, also those that are kept in a dictionary."""
    return sum(_decoded_bytes(column) for column in batch.columns)


def _decoded_bytes(column: pa.Array) -> int:
    kind = column.type
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):  # a slice of these has the bytes of all rows
        return int(column.cast(pa.large_binary()).nbytes)
    if pa.types.is_dictionary(kind) and (
        pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type)
    ):
        return int(pc.sum(pc.binary_length(column.dictionary).take(column.indices)).as_py() or 0)
    return int(column.nbytes)


def _steps(file: pq.ParquetFile, columns: Sequence[str], most_bytes: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file in small batches, none of which has rows of two row groups.

    Arrow could not read lists and structures with dictionaries otherwise. Threads would cost such small batches more
    than they share between cores.
    """
    for number in range(file.metadata.num_row_groups):
        rows = _rows_at_once(file.metadata.row_group(number), most_bytes)
        yield from file.iter_batches(rows, row_groups=[number], columns=list(columns), use_threads=False)


def _rows_at_once(group: pq.RowGroupMetaData, most_bytes: int) -> int:
    """Return how many rows to decode at a time, by what a row group says of the size of its rows."""
    size: int = max(group.total_byte_size // max(group.num_rows, 1), 1)
    return min(max(most_bytes // size, 1), _ROWS_AT_ONCE)
