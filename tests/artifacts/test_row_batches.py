"""Batches of rows: bounded in rows and bytes, whatever the file is like, and nothing is lost."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.catalog import open_catalog
from artifacts.row_batches import BATCH_BYTES, bounded_slices, decoded_bytes, read_batches
from artifacts.tables import IN_PIECES

LONG = "x" * 30_000


def written(folder: Path, table: pa.Table, **options: object) -> pq.ParquetFile:
    pq.write_table(table, folder / "rows.parquet", **options)
    return pq.ParquetFile(folder / "rows.parquet", **IN_PIECES)


def texts(count: int, start: int = 0) -> pa.Array:
    return pa.array([f"{number} {LONG}" for number in range(start, start + count)])


@pytest.mark.parametrize(
    "column",
    [
        texts(300),  # plain pages
        pa.array([LONG] * 300),  # in the file once, by a dictionary
        pa.array([LONG] * 300).dictionary_encode(),  # in memory once, too
        pa.array([LONG, None] * 150).dictionary_encode(),
        pa.array([LONG] * 300, pa.string_view()),
        pa.array([[LONG]] * 300),
        pa.array([{"text": LONG, "number": 1}] * 300),
        pa.array([LONG.encode()] * 300, pa.large_binary()),
        pa.concat_arrays([pa.array(["short"] * 200), texts(100)]),  # what the first rows do not tell
    ],
    ids=["plain", "once in the file", "dictionary", "nulls", "view", "list", "structure", "binary", "late"],
)
@pytest.mark.parametrize("group", [300, 70])
def test_batches_are_bounded_by_bytes(tmp_path: Path, column: pa.Array, group: int) -> None:
    table = pa.table({"number": range(300), "text": column})
    batches = list(read_batches(written(tmp_path, table, row_group_size=group), table.column_names, 1000, 500_000))
    assert max(decoded_bytes(batch) for batch in batches) <= 500_000
    assert pa.Table.from_batches(batches).to_pylist() == table.to_pylist()
    least = 300 * 15_000 / 500_000 if column.null_count else 100 * 30_000 / 500_000
    assert least <= len(batches) <= 160


def test_short_rows_come_as_many_at_a_time_as_are_asked_for(tmp_path: Path) -> None:
    table = pa.table({"number": range(5000), "text": ["a"] * 5000})
    file = written(tmp_path, table, row_group_size=700)
    for most_rows in (1, 999, 2048, 10_000):
        batches = list(read_batches(file, ["text", "number"], most_rows))
        assert max(map(len, batches)) <= most_rows
        assert len(batches) <= 2.2 * 5000 / most_rows + 1
        assert pa.Table.from_batches(batches)["number"].to_pylist() == list(range(5000))


def test_a_row_that_is_larger_than_a_batch_is_one_by_itself(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", LONG, "b", "c"]})
    batches = list(read_batches(written(tmp_path, table), ["text"], 1000, 1000))
    assert [batch["text"].to_pylist() for batch in batches] == [["a"], [LONG], ["b", "c"]]


def test_a_file_without_rows_has_no_batches(tmp_path: Path) -> None:
    assert list(read_batches(written(tmp_path, pa.table({"text": pa.array([], pa.string())})), ["text"], 10)) == []


def test_slices_are_in_order_and_within_the_bounds() -> None:
    batch = pa.record_batch({"number": range(100), "text": ["y" * number for number in range(100)]})
    slices = list(bounded_slices(batch, 30, 1500))
    assert all(len(part) <= 30 and (decoded_bytes(part) <= 1500 or len(part) == 1) for part in slices)
    assert [number for part in slices for number in part["number"].to_pylist()] == list(range(100))


def test_a_catalogue_with_long_texts_is_read_in_small_batches(tmp_path: Path) -> None:
    ids = [str(number) for number in range(1200)]
    table = pa.table({"product_id": ids, "title": ids, "image": pa.nulls(1200), "text": [LONG] * 1200})
    pq.write_table(table, tmp_path / "catalog.parquet")
    batches = list(open_catalog(tmp_path / "catalog.parquet").batches())
    assert len(batches) == 3
    assert max(decoded_bytes(batch) for batch in batches) <= BATCH_BYTES
