"""catalog.parquet."""

import hashlib
import json
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


def write_folder(folder: Path, files: dict[str, dict[str, object]]) -> Path:
    folder.mkdir()
    for name, columns in files.items():
        pq.write_table(pa.table(columns), folder / name)
    return folder


def part(*ids: str, **more: object) -> dict[str, object]:
    return {"product_id": list(ids), "title": [f"t{i}" for i in ids], "image": [f"{i}.png" for i in ids], **more}


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    parts = {"part-1.parquet": part("c", price=[3.0]), "part-0.parquet": part("b", "a", price=[1.0, None])}
    folder = write_folder(tmp_path / "catalog", parts)
    for other in ("_metadata.parquet", ".part-2.parquet.crc", "notes.txt"):
        (folder / other).write_text("no Parquet")
    (folder / "old.parquet").mkdir()
    catalog = read_catalog(folder)
    assert catalog.product_ids == ["b", "a", "c"]
    assert catalog.table["price"].to_pylist() == [1.0, None, 3.0]
    assert catalog.images == ["b.png", "a.png", "c.png"]
    assert (catalog.path, catalog.folder) == (folder, folder)


def test_the_checksum_of_a_folder_is_over_names_and_content(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", {"y.parquet": part("b"), "x.parquet": part("a")})
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("x.parquet", "y.parquet")}
    expected = hashlib.sha256(json.dumps(sums).encode()).hexdigest()
    assert read_catalog(folder).sha256() == expected
    same = write_folder(tmp_path / "b", {"x.parquet": part("a"), "y.parquet": part("b")})
    assert read_catalog(same).sha256() == expected
    (same / "y.parquet").rename(same / "z.parquet")
    assert read_catalog(same).sha256() != expected


def test_a_column_that_one_file_lacks_is_null_there(tmp_path: Path) -> None:
    nulls = {**part("b"), "image": pa.nulls(1), "colour": ["red"]}
    catalog = read_catalog(write_folder(tmp_path / "c", {"0.parquet": part("a", price=[1.0]), "1.parquet": nulls}))
    assert catalog.table["price"].to_pylist() == [1.0, None]
    assert catalog.table["colour"].to_pylist() == [None, "red"]
    assert catalog.images == ["a.png", None]


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({}, DamagedError, "{folder} has no *.parquet files"),
        (
            {"0.parquet": part("a", "b"), "1.parquet": part("b")},
            FormatError,
            "{folder}: 1 product ids occur more than once, such as b",
        ),
        (
            {"0.parquet": part("a"), "1.parquet": {"product_id": ["b"], "title": ["B"]}},
            FormatError,
            "{folder}/1.parquet lacks the column image; it has product_id, title",
        ),
        (
            {"0.parquet": part("a", price=[1.0]), "1.parquet": part("b", price=["cheap"])},
            FormatError,
            "{folder}: its files have incompatible columns: ",
        ),
    ],
)
def test_folders_that_are_no_catalogue(
    tmp_path: Path, files: dict[str, dict[str, object]], error: type[Exception], message: str
) -> None:
    folder = write_folder(tmp_path / "catalog", files)
    with pytest.raises(error) as caught:
        read_catalog(folder)
    assert str(caught.value).startswith(message.format(folder=folder))
