"""Files of changes: what they say, and what they make of a version's products."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts import catalog as catalogs
from artifacts.catalog import CatalogStream, open_catalog
from artifacts.errors import DamagedError, FormatError
from index_builder.changes import ChangedRow, Merge, read_changes

BASE = {"product_id": list("abcdefg"), "title": list("ABCDEFG"), "image": [f"{x}.png" for x in "abcdefg"]}
PRICES = [float(number) for number in range(7)]


@pytest.fixture
def base(tmp_path: Path) -> CatalogStream:
    pq.write_table(pa.table({**BASE, "price": PRICES}), tmp_path / "products.parquet")
    return open_catalog(tmp_path / "products.parquet")


def row(product_id: str, change: str = "upsert", **values: Any) -> dict[str, Any]:
    return {
        "product_id": product_id,
        "change": change,
        "title": product_id.upper(),
        "image": f"{product_id}.png",
        "price": 9.0,
        **values,
    }


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), folder / "changes.parquet")
    return folder / "changes.parquet"


def apply(base: CatalogStream, path: Path) -> tuple[list[dict[str, Any]], Merge]:
    merge = Merge(base, read_changes(path, base.schema))
    batches = list(merge.batches())
    return pa.Table.from_batches(batches, base.schema).to_pylist(), merge


def slowly_applied(base: CatalogStream, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same, as a dictionary in order would have it."""
    products = {p["product_id"]: p for p in pa.Table.from_batches(base.batches(), base.schema).to_pylist()}
    for change in rows:
        if change["change"] == "delete":
            del products[change["product_id"]]
        else:
            products[change["product_id"]] = {name: change[name] for name in base.schema.names}
    return list(products.values())


@pytest.mark.parametrize("batch_rows", [1, 2, 3, 100])
def test_changed_rows_stay_where_they_were_and_new_ones_come_last(
    base: CatalogStream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_rows: int
) -> None:
    monkeypatch.setattr(catalogs, "BATCH_ROWS", batch_rows)
    rows = [row("z"), row("e", title="new"), row("b", "delete"), row("c"), row("y", image=None), row("g", "delete")]
    found, merge = apply(base, write(tmp_path, rows))
    assert found == slowly_applied(base, rows)
    assert [product["product_id"] for product in found] == list("acdefzy")
    kept = sorted(pair for pairs in merge.kept for pair in pairs.tolist())
    assert kept == [[0, 0], [3, 2], [5, 4]]
    assert merge.changed == [
        ChangedRow(1, "c", "C", ("c.png",), 2, same_entry=True),
        ChangedRow(3, "e", "new", ("e.png",), 4, same_entry=False),
        ChangedRow(5, "z", "Z", ("z.png",)),
        ChangedRow(6, "y", "Y", ()),
    ]


def test_an_entry_without_a_value_is_the_same_as_none(base: CatalogStream, tmp_path: Path) -> None:
    for change, same in (({"image": None}, False), ({"title": None}, False), ({}, True)):
        _, merge = apply(base, write(tmp_path, [row("a", **change)]))
        assert merge.changed[0].same_entry is same
    pq.write_table(pa.table({**BASE, "image": pa.nulls(7, pa.string()), "price": PRICES}), base.path)
    _, merge = apply(open_catalog(base.path), write(tmp_path, [row("a", image=None), row("b", image="b.png")]))
    assert [changed.same_entry for changed in merge.changed] == [True, False]


def test_deletes_need_no_columns_but_the_id(base: CatalogStream, tmp_path: Path) -> None:
    found, _ = apply(base, write(tmp_path, [{"product_id": "a", "change": "delete"}]))
    assert [product["product_id"] for product in found] == list("bcdefg")


def test_no_change_at_all(base: CatalogStream, tmp_path: Path) -> None:
    nothing = pa.table({"product_id": pa.array([], pa.string()), "change": pa.array([], pa.string())})
    pq.write_table(nothing, tmp_path / "changes.parquet")
    found, merge = apply(base, tmp_path / "changes.parquet")
    assert found == slowly_applied(base, [])
    assert merge.changed == []


def test_columns_come_in_any_order_and_in_types_that_convert(base: CatalogStream, tmp_path: Path) -> None:
    table = pa.table({"price": pa.array([3], pa.int32()), "change": ["upsert"], "image": pa.nulls(1)})
    table = table.append_column("title", pa.array(["T"]).dictionary_encode()).append_column(
        "product_id", pa.array(["a"])
    )
    pq.write_table(table, tmp_path / "changes.parquet")
    found, _ = apply(base, tmp_path / "changes.parquet")
    assert found[0] == {"product_id": "a", "title": "T", "image": None, "price": 3.0}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("a"), row("a", "delete")], "{path}: 1 product ids occur more than once, such as a"),
        ([row("a", "remove")], "{path}: change is 'remove', expected 'upsert' or 'delete'"),
        ([row("a", None)], "{path}: change is 'None', expected 'upsert' or 'delete'"),
        ([row("a"), {**row("b"), "product_id": None}], "{path}: column product_id is null or empty in row 2"),
        (
            [row("a", colour="red")],
            "{path} has the column colour, which the products of the version have not; build the whole catalogue",
        ),
        ([row("a", title=5)], "{path}: column title is int64, expected string"),
        ([row("a", price="cheap")], "{path}: its columns are of other types than the products of the version: "),
    ],
)
def test_bad_files_are_refused(base: CatalogStream, tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    path = write(tmp_path, rows)
    with pytest.raises(FormatError) as caught:
        read_changes(path, base.schema)
    assert str(caught.value).startswith(message.format(path=path))


@pytest.mark.parametrize("batch_rows", [2, 100])
def test_columns_that_the_file_lacks_keep_their_values(
    base: CatalogStream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_rows: int
) -> None:
    monkeypatch.setattr(catalogs, "BATCH_ROWS", batch_rows)
    prices = [{"product_id": "f", "change": "upsert", "price": 2}, {"product_id": "b", "change": "upsert", "price": 1}]
    found, merge = apply(base, write(tmp_path, [*prices, {"product_id": "c", "change": "delete", "price": None}]))
    assert [(product["product_id"], product["title"], product["price"]) for product in found] == [
        ("a", "A", 0.0), ("b", "B", 1.0), ("d", "D", 3.0), ("e", "E", 4.0), ("f", "F", 2.0), ("g", "G", 6.0),
    ]  # fmt: skip
    assert all(changed.same_entry for changed in merge.changed)
    assert not merge.changes.give_entries(())


def test_a_new_product_needs_all_columns(base: CatalogStream, tmp_path: Path) -> None:
    path = write(tmp_path, [{"product_id": name, "change": "upsert", "price": 1.0} for name in ("a", "x", "y")])
    with pytest.raises(FormatError) as caught:
        apply(base, path)
    assert str(caught.value) == (
        f"{path} has no column title, image, but 2 of its products are new, such as x: leave these out, or give all "
        "columns"
    )


def test_products_may_have_a_column_change(tmp_path: Path) -> None:
    pq.write_table(pa.table({**BASE, "change": ["2 cm"] * 7}), tmp_path / "products.parquet")
    base, rows = open_catalog(tmp_path / "products.parquet"), [{"product_id": "a", "change": "3 cm", "do": "upsert"}]
    path = write(tmp_path, rows)
    with pytest.raises(FormatError, match=r"have a column change themselves; .* name it with --change-column"):
        read_changes(path, base.schema)
    merge = Merge(base, read_changes(path, base.schema, "do"))
    assert pa.Table.from_batches(merge.batches(), base.schema)["change"].to_pylist() == ["3 cm"] + ["2 cm"] * 6


def test_a_missing_file_is_damage(base: CatalogStream, tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="is missing"):
        read_changes(tmp_path / "no.parquet", base.schema)


def test_a_delete_of_an_absent_product_changes_nothing_and_is_counted(base: CatalogStream, tmp_path: Path) -> None:
    path = write(tmp_path, [row("x", "delete"), row("a", "delete"), row("w", "delete")])
    told: list[str] = []
    merge = Merge(base, read_changes(path, base.schema), report=told.append)
    left = [key for batch in merge.batches() for key in batch.column("product_id").to_pylist()]
    assert left == list("bcdefg")
    assert told == [f"{path}: 2 of 3 products to delete are not in the version, such as w"]


def test_ids_and_image_entries_are_read_as_those_of_a_catalogue_are(base: CatalogStream, tmp_path: Path) -> None:
    rows = [row("x", image=" //cdn.example/a.jpg"), row("y", image="N/A")]
    rows = [{**change, "product_id": number} for number, change in enumerate(rows, 1)]
    path = write(tmp_path, rows)
    changes = read_changes(path, base.schema)
    assert changes.upserts["product_id"].to_pylist() == ["1", "2"]
    assert changes.upserts["image"].to_pylist() == ["https://cdn.example/a.jpg", None]
    assert changes.notes == (f"{path}: column product_id is int64; its ids are read as text, such as '1'",)


ODD_COLUMNS = {
    "texts": pa.array(list("tuvwxyz"), pa.string_view()),
    "bytes": pa.array([b"x"] * 7, pa.binary_view()),
    "lists": pa.array([["t"], None, [], ["u", "v"], ["w"], ["x"], ["y"]], pa.list_(pa.string_view())),
    "structures": pa.StructArray.from_arrays([pa.array(list("tuvwxyz"), pa.string_view())], names=["text"]),
    "dictionary": pa.array(list("xyxyxyz")).dictionary_encode(),
    "identifiers": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16)] * 7, pa.binary(16))),
    "nothing": pa.nulls(7),
}


@pytest.mark.parametrize("batch_rows", [2, 100])
@pytest.mark.parametrize("column", ODD_COLUMNS)
def test_columns_of_odd_types_are_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str, batch_rows: int
) -> None:
    """Arrow can neither take nor filter views, and puts no extension type into an empty structure."""
    monkeypatch.setattr(catalogs, "BATCH_ROWS", batch_rows)
    products = pa.table({**BASE, "odd": ODD_COLUMNS[column]})
    pq.write_table(products, tmp_path / "products.parquet")
    changes = pa.table({"product_id": list("gcab"), "change": ["upsert", *["delete"] * 3]})
    odd = pa.array([products["odd"][0].as_py()] * 4, products["odd"].type)
    pq.write_table(changes.append_column("odd", odd), tmp_path / "changes.parquet")
    found, _ = apply(open_catalog(tmp_path / "products.parquet"), tmp_path / "changes.parquet")
    rows = products.to_pylist()
    assert found == [*rows[3:6], {**rows[6], "odd": rows[0]["odd"]}]


def test_changes_that_leave_no_product_are_refused(base: CatalogStream, tmp_path: Path) -> None:
    path = write(tmp_path, [row(product_id, "delete") for product_id in BASE["product_id"]])
    with pytest.raises(FormatError) as caught:
        apply(base, path)
    assert str(caught.value) == f"{path} deletes all 7 products of the version; one must be left"
