"""Parquet tables whose columns are a contract."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.errors import DamagedError, FormatError
from artifacts.tables import Columns, check_columns, count_rows, read_schema, read_table

EXPECTED: Columns = {"name": pa.string(), "count": pa.int64(), "when": pa.timestamp("us"), "any": None}
GOOD = pa.table(
    {
        "name": ["a", None],
        "count": pa.array([1, 2], pa.int64()),
        "when": pa.array([0, 1], pa.timestamp("us")),
        "any": [1.5, 2.5],
        "extra": [True, False],
    }
)


def write(path: Path, table: pa.Table) -> Path:
    pq.write_table(table, path)
    return path


def replaced(**columns: pa.Array) -> pa.Table:
    """The good table with other columns in place of its own."""
    table = GOOD
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def test_a_good_table_is_read_whole_with_its_extra_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", GOOD)
    assert read_table(path, EXPECTED).equals(GOOD)
    assert read_table(path, EXPECTED, columns=["count", "name"]).equals(GOOD.select(["count", "name"]))
    assert count_rows(path) == 2


@pytest.mark.parametrize(
    "name",
    [
        pa.array(["a", None]).dictionary_encode(),
        pa.array(["a", None], pa.large_string()).dictionary_encode(),
        pa.array(["a", None], pa.large_string()),
        pa.array(["a", None], pa.string_view()),
    ],
    ids=lambda column: str(column.type),
)
def test_every_kind_of_text_becomes_plain_text(tmp_path: Path, name: pa.Array) -> None:
    table = read_table(write(tmp_path / "t.parquet", replaced(name=name)), EXPECTED)
    assert table.schema.field("name").type == pa.string()
    assert table["name"].to_pylist() == ["a", None]


def test_a_column_without_any_value_has_the_type_that_was_expected(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.parquet", replaced(name=pa.nulls(2))), EXPECTED)
    assert table.schema.field("name").type == pa.string()
    assert table["name"].to_pylist() == [None, None]


def test_other_widths_and_units_are_cast(tmp_path: Path) -> None:
    small = replaced(count=pa.array([1, 2], pa.uint8()), when=pa.array([0, 1000], pa.timestamp("ns")))
    table = read_table(write(tmp_path / "t.parquet", small), EXPECTED)
    assert table.schema.field("count").type == pa.int64()
    assert table.schema.field("when").type == pa.timestamp("us")
    assert table["count"].to_pylist() == [1, 2]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (GOOD.drop_columns(["any"]), " lacks the column any; it has name, count, when, extra"),
        (
            GOOD.drop_columns(["name", "when", "any"]),
            " lacks the columns name, when, any; it has count, extra",
        ),
        (replaced(name=pa.array([1, 2])), ": column name is int64, expected string"),
        (
            replaced(name=pa.array([1.0, 2.0]), count=pa.array([1.0, 2.0]), when=pa.array(["x", "y"])),
            ": column name is double, expected string; column count is double, expected int64; "
            "column when is string, expected timestamp[us]",
        ),
    ],
    ids=["one missing", "three missing", "wrong type", "three wrong types"],
)
def test_wrong_columns_are_all_named(tmp_path: Path, table: pa.Table, reason: str) -> None:
    path = write(tmp_path / "t.parquet", table)
    for read in (lambda: read_table(path, EXPECTED), lambda: check_columns(path, table.schema, EXPECTED)):
        with pytest.raises(FormatError) as caught:
            read()
        assert str(caught.value) == f"{path}{reason}"


def test_a_dictionary_of_numbers_is_no_text() -> None:
    schema = pa.schema({"name": pa.dictionary(pa.int32(), pa.int64())})
    with pytest.raises(FormatError) as caught:
        check_columns(Path("t"), schema, {"name": pa.string()})
    assert str(caught.value) == (
        "t: column name is dictionary<values=int64, indices=int32, ordered=0>, expected string"
    )


def test_product_ids_that_are_whole_numbers_become_text(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", pa.table({"product_id": pa.array([7, None], pa.int32())}))
    assert read_table(path, {"product_id": pa.string()})["product_id"].to_pylist() == ["7", None]


def test_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    bad = pa.array([b"ok", b"caf\xe9"], pa.binary()).view(pa.string())
    path = write(tmp_path / "t.parquet", replaced(name=bad))
    with pytest.raises(FormatError) as caught:
        read_table(path, EXPECTED)
    assert str(caught.value) == f"{path}: column name is not valid UTF-8 in row 2: b'caf\\xe9'; write texts as UTF-8"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    for read in (lambda: read_schema(path), lambda: read_table(path, EXPECTED), lambda: count_rows(path)):
        with pytest.raises(DamagedError) as caught:
            read()
        assert str(caught.value) == f"{path} is missing; expected a Parquet file there"
    with pytest.raises(DamagedError) as caught:
        read_schema(tmp_path)
    assert str(caught.value) == f"{tmp_path} is a folder; expected a Parquet file there"


@pytest.mark.parametrize("content", [b"", b"not Parquet at all, but long enough to have a footer"])
def test_what_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(content)
    with pytest.raises(DamagedError) as caught:
        read_table(path, EXPECTED)
    assert str(caught.value).startswith(f"{path} cannot be read as Parquet: ")


def test_damage_behind_a_whole_footer_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", GOOD)
    content = bytearray(path.read_bytes())
    content[4:60] = b"\xff" * 56
    path.write_bytes(content)
    assert read_schema(path).equals(GOOD.schema), "the footer was hit too"
    with pytest.raises(DamagedError) as caught:
        read_table(path, EXPECTED)
    assert str(caught.value).startswith(f"{path} cannot be read: ")


def test_a_path_like_a_partition_adds_no_column(tmp_path: Path) -> None:
    folder = tmp_path / "day=1" / ".hidden"
    folder.mkdir(parents=True)
    assert read_table(write(folder / "t.parquet", GOOD), EXPECTED).column_names == GOOD.column_names
