"""catalog.parquet."""

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.catalog import open_catalog, read_catalog
from artifacts.catalog_texts import read_catalog_texts
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
        ({"product_id": ["a", None, None]}, ": column product_id is null or empty in row 2"),
        ({"product_id": ["a", "b", ""]}, ": column product_id is null or empty in row 3"),
        ({"product_id": ["a", "b", " \t"]}, ": column product_id is null or empty in row 3"),
        ({"product_id": ["a", "b", "a"]}, ": 1 product ids occur more than once, such as a"),
        (
            {"product_id": list("aabbccddeeffg")},
            ": 6 product ids occur more than once, such as a, b, c, d, e",
        ),
        ({"product_id": [1.0, 2.0]}, ": column product_id is double, expected string"),
        ({"product_id": [1, 1]}, ": 1 product ids occur more than once, such as 1"),
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


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint8(), pa.int16()])
def test_ids_that_are_whole_numbers_are_read_as_text_and_told(tmp_path: Path, kind: pa.DataType) -> None:
    catalog = open_catalog(write(tmp_path, product_id=pa.array([7, 12], kind), title=["A", "B"], image=pa.nulls(2)))
    assert [batch["product_id"].to_pylist() for batch in catalog.batches()] == [["7", "12"]]
    assert catalog.notes == (f"{catalog.path}: column product_id is {kind}; its ids are read as text, such as '1'",)


def test_ids_that_are_text_are_not_worth_a_note(tmp_path: Path) -> None:
    assert open_catalog(write(tmp_path, product_id=["7"], title=["A"], image=pa.nulls(1))).notes == ()


def test_image_entries_have_one_form(tmp_path: Path) -> None:
    entries = {
        "a.jpg": "a.jpg",
        "a.jpg ": "a.jpg",
        " https://cdn.example/a.jpg": "https://cdn.example/a.jpg",
        "//cdn.example/a.jpg": "https://cdn.example/a.jpg",
        "www.example/a.jpg": "https://www.example/a.jpg",
        "www.jpg": "www.jpg",
        "data:image/png;base64,AAAA": "data:image/png;base64,AAAA",
        "N/A": None,
        "null": None,
        "   ": None,
        "": None,
        "no/a.jpg": "no/a.jpg",
    }
    ids = [str(number) for number in range(len(entries))]
    path = write(tmp_path, product_id=ids, title=ids, image=list(entries))
    assert read_catalog(path).images == list(entries.values())


def not_utf8(*texts: bytes) -> pa.Array:
    """A column of strings with these bytes, as careless exporters write it."""
    return pa.array(texts, pa.binary()).view(pa.string())


@pytest.mark.parametrize("name", ["title", "product_id", "image", "brand"])
def test_what_is_not_utf8_is_named(tmp_path: Path, name: str) -> None:
    good = pa.array(["x", "y", "z"])
    columns = {"product_id": good, "title": good, "image": good, "brand": good, name: not_utf8(b"ok", b"caf\xe9", b"k")}
    path = write(tmp_path, **columns)
    with pytest.raises(FormatError) as caught:
        read_catalog(path)
    product = "" if name == "product_id" else " (product 'y')"
    assert str(caught.value) == (
        f"{path}: column {name} is not valid UTF-8 in row 2{product}: b'caf\\xe9'; write texts as UTF-8"
    )


def test_what_is_not_utf8_is_found_in_lists_dictionaries_and_later_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artifacts.catalog.BATCH_ROWS", 2)
    ids, bad = pa.array(list("abcde")), not_utf8(b"1", b"2", b"3", b"4", b"\xff")
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3, 4, 5], pa.int32()), bad)
    for column, shown in (
        (bad.dictionary_encode(), ": b'\\xff'"),
        (lists, ""),
        (pa.StructArray.from_arrays([bad], ["x"]), ""),
    ):
        path = write(tmp_path, product_id=ids, title=ids, image=ids, more=column)
        with pytest.raises(FormatError) as caught:
            read_catalog(path)
        assert str(caught.value).startswith(
            f"{path}: column more is not valid UTF-8 in row 5 (product 'e'){shown}; write"
        )


def test_hive_folders_and_suffixes_of_any_case_are_read(tmp_path: Path) -> None:
    for place, ids in {
        "country=de/year=2025/part-0.PARQUET": "ab",
        "country=fr%2Fch/year=2026/part-0.parquet": "c",
        "country=__HIVE_DEFAULT_PARTITION__/year=2026/x.Parquet": "d",
        "_temporary/x.parquet": "e",
    }.items():
        (tmp_path / "c" / place).parent.mkdir(parents=True)
        pq.write_table(pa.table(part(*ids)), tmp_path / "c" / place)
    rows = read_catalog(tmp_path / "c").table.select(["product_id", "country", "year"]).to_pylist()
    assert sorted(tuple(row.values()) for row in rows if row["country"]) == [
        ("a", "de", 2025),
        ("b", "de", 2025),
        ("c", "fr/ch", 2026),
    ]
    assert [row for row in rows if not row["country"]] == [{"product_id": "d", "country": None, "year": 2026}]


def test_types_that_differ_but_agree_become_the_wider_one(tmp_path: Path) -> None:
    parts = {
        "0.parquet": part("a", price=[1], size=pa.array([1], pa.int8()), colour=pa.array(["red"]).dictionary_encode()),
        "1.parquet": part("b", price=[1.5], size=pa.array([300], pa.int64()), colour=["blue"]),
    }
    table = read_catalog(write_folder(tmp_path / "c", parts)).table
    assert table.select(["price", "size", "colour"]).to_pylist() == [
        {"price": 1.0, "size": 1, "colour": "red"},
        {"price": 1.5, "size": 300, "colour": "blue"},
    ]
    assert [table.schema.field(name).type for name in ("price", "size")] == [pa.float64(), pa.int64()]


def test_dictionaries_inside_lists_and_structures_are_read_from_several_row_groups(tmp_path: Path) -> None:
    colours = pa.array(["red", "blue", "red", None]).dictionary_encode()
    columns = {
        "lists": pa.ListArray.from_arrays(pa.array([0, 1, 2, 3, 4], pa.int32()), colours),
        "large": pa.LargeListArray.from_arrays(pa.array([0, 1, 2, 3, 4], pa.int64()), colours),
        "fixed": pa.FixedSizeListArray.from_arrays(colours, 1),
        "structures": pa.StructArray.from_arrays([colours], ["colour"]),
        "maps": pa.MapArray.from_arrays(pa.array([0, 1, 2, 3, 4], pa.int32()), pa.array(list("abcd")), colours),
        "plain": colours,
    }
    table = pa.table({**part(*"abcd"), **columns})
    pq.write_table(table, tmp_path / "catalog.parquet", row_group_size=1)
    read = read_catalog(tmp_path / "catalog.parquet").table
    assert read.to_pylist() == table.to_pylist()
    assert [pa.types.is_dictionary(column.type) for column in read.columns[3:]] == [False] * 5 + [True]


def test_a_value_that_the_wider_type_cannot_hold_is_told(tmp_path: Path) -> None:
    parts = {"0.parquet": part("a", price=[2**53 + 1]), "1.parquet": part("b", price=[1.5])}
    folder = write_folder(tmp_path / "c", parts)
    with pytest.raises(FormatError) as caught:
        read_catalog(folder)
    assert str(caught.value).startswith(f"{folder}/0.parquet: column price is int64 here, and a value does not fit ")


def test_a_column_that_is_there_twice_is_told(tmp_path: Path) -> None:
    texts = pa.array(["a"])
    table = pa.Table.from_arrays([texts] * 4, names=["product_id", "title", "image", "title"])
    pq.write_table(table, tmp_path / "catalog.parquet")
    with pytest.raises(FormatError, match="has the column title more than once"):
        read_catalog(tmp_path / "catalog.parquet")


def test_what_towers_read_of_a_catalogue_has_every_column_of_text_in_one_line(tmp_path: Path) -> None:
    table = pa.table(
        {
            "product_id": [1, 2],
            "title": ["Two\nlines", None],
            "image": pa.nulls(2, pa.string()),
            "price": [1.0, 2.0],
            "description": ["a\n b", "x" * 5000],
            "tags": pa.array([["a", "b"], None], pa.list_(pa.string())),
        }
    )
    pq.write_table(table, tmp_path / "catalog.parquet")
    catalog = read_catalog_texts(tmp_path / "catalog.parquet")
    assert catalog.table.column_names == ["product_id", "title", "image", "description", "tags"]
    assert catalog.table["description"].to_pylist() == ["a b", "x" * 1000]
    assert (catalog.titles, catalog.table["tags"].to_pylist()) == (["Two\nlines", ""], ["a, b", None])


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.string()), pa.large_list(pa.large_string()), pa.list_(pa.dictionary(pa.int32(), pa.string()))]
)
def test_image_may_be_a_list_whose_first_photo_is_the_product_s(tmp_path: Path, kind: pa.DataType) -> None:
    lists = [
        ["a.jpg ", "N/A", "b.jpg", "a.jpg"],
        None,
        [],
        [None, "//x.y/c.jpg"],
        [f"{number}.png" for number in range(20)],
    ]
    images = pa.array(lists, pa.list_(pa.string())).cast(kind)
    path = write(tmp_path, product_id=list("abcde"), title=list("abcde"), image=images, price=[1.0] * 5)
    catalog = read_catalog(path)
    assert catalog.images == ["a.jpg", None, None, "https://x.y/c.jpg", "0.png"]
    assert catalog.more_images == [["b.jpg"], [], [], [], [f"{number}.png" for number in range(1, 8)]]
    assert read_catalog(path, ["product_id", "image"]).images == catalog.images
    assert catalog.table.column_names == ["product_id", "title", "image", "price", "more_images"]
    assert read_catalog_texts(path).more_images == catalog.more_images
    pq.write_table(catalog.table, tmp_path / "again.parquet")  # as a version keeps its products
    assert read_catalog(tmp_path / "again.parquet").table.equals(catalog.table)


def test_files_of_a_folder_may_have_one_photo_or_lists(tmp_path: Path) -> None:
    parts = {"0.parquet": part("a"), "1.parquet": {**part("b"), "image": [["x.png", "y.png"]]}}
    catalog = read_catalog(write_folder(tmp_path / "c", parts))
    assert (catalog.images, catalog.more_images) == (["a.png", "x.png"], [[], ["y.png"]])
    assert read_catalog(write_folder(tmp_path / "d", {"0.parquet": part("a")})).more_images == []


def test_further_photos_may_stand_in_a_column_of_their_own(tmp_path: Path) -> None:
    columns = {"product_id": ["a", "b"], "title": ["A", "B"], "image": ["a.png", None]}
    catalog = read_catalog(write(tmp_path, **columns, more_images=[["b.png", " "], ["c.png"]]))
    assert (catalog.images, catalog.more_images) == (["a.png", "c.png"], [["b.png"], []])
    other = read_catalog(write(tmp_path, **columns, more_images=["some", "text"]))  # an attribute of the same name
    assert (other.more_images, other.table["more_images"].to_pylist()) == ([], ["some", "text"])


def test_lists_that_are_no_photos(tmp_path: Path) -> None:
    columns = {"product_id": ["a"], "title": ["A"]}
    with pytest.raises(FormatError, match=r"column image is list<.*int64>, expected string"):
        read_catalog(write(tmp_path, **columns, image=[[3]]))
    with pytest.raises(
        FormatError, match=r"whose further ones are read as more_images, but there is such a column too"
    ):
        read_catalog(write(tmp_path, **columns, image=[["a.png"]], more_images=["x"]))
