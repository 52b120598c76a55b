"""catalog.parquet."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.catalog import read_catalog
from artifacts.checksums import sha256_of_file
from artifacts.errors import DamagedError, FormatError


def write(folder: Path, **columns: object) -> Path:
    path = folder / "catalog.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_a_catalog_is_read_in_the_order_of_its_file(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        product_id=["b", "a", "c"],
        price=[1.5, None, 3.0],
        title=["Béret", None, ""],
        image=["images/b.jpg", None, "https://shop/c.jpg"],
    )
    catalog = read_catalog(path)
    assert len(catalog) == 3
    assert catalog.product_ids == ["b", "a", "c"]
    assert catalog.titles == ["Béret", "", ""]
    assert catalog.images == ["images/b.jpg", None, "https://shop/c.jpg"]
    assert catalog.rows_by_product_id() == {"b": 0, "a": 1, "c": 2}
    assert catalog.folder == tmp_path
    assert catalog.sha256() == sha256_of_file(path)
    assert catalog.table.column_names == ["product_id", "price", "title", "image"]
    assert catalog.table["price"].to_pylist() == [1.5, None, 3.0]


def test_a_catalog_without_any_photo_is_read(tmp_path: Path) -> None:
    catalog = read_catalog(write(tmp_path, product_id=["a"], title=["A"], image=pa.nulls(1)))
    assert catalog.images == [None]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"product_id": pa.array([], pa.string())}, " has no products"),
        ({"product_id": ["a", None, None]}, ": 2 rows have no product_id"),
        ({"product_id": ["a", "b", "a"]}, ": 1 product ids occur more than once, such as a"),
        (
            {"product_id": list("aabbccddeeffg")},
            ": 6 product ids occur more than once, such as a, b, c, d, e",
        ),
        ({"product_id": [1, 2]}, ": column product_id is int64, expected string"),
    ],
)
def test_bad_ids_are_refused(tmp_path: Path, columns: dict[str, object], reason: str) -> None:
    count = len(columns["product_id"])  # type: ignore[arg-type]
    texts = pa.array(["x"] * count, pa.string())
    path = write(tmp_path, **columns, title=texts, image=texts)
    with pytest.raises(FormatError) as caught:
        read_catalog(path)
    assert str(caught.value) == f"{path}{reason}"


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, product_id=["a"], name=["A"])
    with pytest.raises(FormatError) as caught:
        read_catalog(path)
    assert str(caught.value) == f"{path} lacks the columns title, image; it has product_id, name"


def test_a_missing_file_is_damage(tmp_path: Path) -> None:
    with pytest.raises(DamagedError):
        read_catalog(tmp_path / "catalog.parquet")
