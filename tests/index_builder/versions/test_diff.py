"""What differs between two versions, compared with the same question asked of plain dictionaries."""

import datetime
import decimal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.errors import DamagedError, FormatError, StoreError
from artifacts.manifest import Canary, read_manifest
from artifacts.store import Store
from index_builder.versions.diff import AnswerOverlap, Examples, VersionDiff, describe_diff, diff_versions

Rewrite = Callable[[pa.Table], pa.Table]


@pytest.fixture
def compare(store: Path) -> Callable[..., VersionDiff]:
    """The difference from "flat" to "ivf" after the products of each were rewritten."""

    def rewritten(old: pa.Table | None = None, new: pa.Table | None = None) -> VersionDiff:
        for version, table in (("flat", old), ("ivf", new)):
            if table is not None:
                pq.write_table(table, store / "versions" / version / "products.parquet")
        return diff_versions(Store(store), "flat", "ivf")

    return rewritten


def products(count: int, first: int = 0, **attributes: list[Any]) -> pa.Table:
    rows = range(first, first + count)
    return pa.table(
        {
            "product_id": [f"p{row}" for row in rows],
            "title": [f"title {row}" for row in rows],
            "image": [f"{row}.png" for row in rows],
            **attributes,
        }
    )


def test_equal_versions_have_no_difference(compare: Callable[..., VersionDiff]) -> None:
    diff = compare()
    none = Examples(0, ())
    assert (diff.added, diff.removed, diff.changed) == (none, none, none)
    assert (diff.changed_titles, diff.changed_images, diff.changed_attributes) == (0, 0, 0)


def test_products_are_told_apart_by_id_whatever_their_order(
    compare: Callable[..., VersionDiff], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artifacts.catalog.BATCH_ROWS", 64)  # so that examples lie in several batches
    rng = np.random.default_rng(4)
    old = products(1000, price=rng.integers(1, 4, 1000).tolist())
    kept = rng.permutation(1000)[:900]
    new = pa.concat_tables([old.take(kept), products(70, 1000, price=[5] * 70)]).take(rng.permutation(970))
    rows = new.to_pylist()
    for row in rows[::9]:
        row["title"] += " in red"
    for row in rows[::10]:
        row["image"] = None
    for row in rows[::11]:
        row["price"] += 1
    diff = compare(old, pa.Table.from_pylist(rows, old.schema))

    before, after = ({row["product_id"]: row for row in table} for table in (old.to_pylist(), rows))
    added = [product for product in after if product not in before]
    removed = [product for product in before if product not in after]
    changed = [product for product in after if product in before and after[product] != before[product]]
    assert diff.added == Examples(len(added), tuple(added[:5]))
    assert diff.removed == Examples(len(removed), tuple(removed[:5]))
    assert diff.changed == Examples(len(changed), tuple(changed[:5]))
    both = [product for product in after if product in before]
    for name, count in (
        ("title", diff.changed_titles),
        ("image", diff.changed_images),
        ("price", diff.changed_attributes),
    ):
        assert count == sum(after[product][name] != before[product][name] for product in both) > 0


DAY = datetime.date(2026, 11, 1)
CHANGES: list[tuple[Any, Any, bool]] = [
    (-1, -2, True),  # of one hash
    (1.0, 1.5, True),
    (0.1, 0.1, False),
    (0.1, float(np.nextafter(0.1, 1)), True),
    (float("nan"), float("nan"), False),
    ("", None, True),
    (None, None, False),
    (["a", "b"], ["b", "a"], True),
    (["a", "b"], ["a", "b"], False),
    ({"x": 1}, {"x": 2}, True),
    (DAY, DAY + datetime.timedelta(1), True),
    (decimal.Decimal("1.0"), decimal.Decimal("1.1"), True),
    (b"a", b"b", True),
]


@pytest.mark.parametrize(("before", "after", "changed"), CHANGES)
def test_values_of_any_type_are_compared(
    compare: Callable[..., VersionDiff], before: Any, after: Any, changed: bool
) -> None:
    diff = compare(products(2, x=[before, before]), products(2, x=[before, after]))
    expected = ("p1",) if changed else ()
    assert diff.changed == Examples(len(expected), expected)
    assert diff.changed_attributes == len(expected)


def test_a_new_column_changes_the_products_that_have_a_value(compare: Callable[..., VersionDiff]) -> None:
    diff = compare(products(3), products(3, colour=["red", None, "blue"]))
    assert diff.changed == Examples(2, ("p0", "p2"))
    assert compare(products(3, a=[1, 2, 3], b=[1, 2, 3]), products(3, b=[1, 2, 3], a=[1, 2, 3])).changed.count == 0
    assert compare(products(3, a=[1, 2, 3]), products(3, b=[1, 2, 3])).changed.count == 3


def test_another_type_is_a_change(compare: Callable[..., VersionDiff]) -> None:
    assert compare(products(2, x=[1, 2]), products(2, x=[1.0, 2.0])).changed.count == 2


def test_an_empty_title_is_not_a_missing_one(compare: Callable[..., VersionDiff]) -> None:
    table = products(2)
    titles = pa.array(["", "title 1"])
    missing = pa.array([None, "title 1"])
    assert compare(table.set_column(1, "title", titles), table.set_column(1, "title", missing)).changed_titles == 1


def test_answers_to_common_queries_are_compared(store: Path, rewrite_manifest: Callable[..., None]) -> None:
    ten = tuple(f"p{number}" for number in range(10))
    old = [("red shoe", ten), ("cap", ten), ("gone", ten), ("nothing", ())]
    new = [("cap", (*ten[:4], "x")), ("red shoe", ten[::-1]), ("new", ten), ("nothing", ten)]
    for version, canaries in (("flat", old), ("ivf", new)):
        records = tuple(Canary(query=query, product_ids=ids) for query, ids in canaries)
        rewrite_manifest(store / "versions" / version, canaries=records)
    diff = diff_versions(Store(store), "flat", "ivf")
    assert diff.answers == AnswerOverlap(2, pytest.approx(0.7))
    assert describe_diff(diff).splitlines()[-1] == "canaries: 2 queries in common, 70.0% of the answers agree"


def test_a_difference_line_by_line(
    store: Path, compare: Callable[..., VersionDiff], rewrite_manifest: Callable[..., None]
) -> None:
    flat, ivf = store / "versions" / "flat", store / "versions" / "ivf"
    model = read_manifest(flat).model
    rewrite_manifest(flat, count=1008, canaries=())
    rewrite_manifest(ivf, count=1001, model=model.model_copy(update={"fingerprint": "f" * 64, "name": "new"}))
    new = products(1001, 7).to_pylist()
    new[0]["title"] = "other"
    new[1]["title"], new[1]["image"] = "other", "other.png"
    lines = describe_diff(compare(products(1008), pa.Table.from_pylist(new))).splitlines()
    assert lines == [
        "flat -> ivf: 1,008 -> 1,001 products",
        f"models differ: tiny-1 ({model.fingerprint[:12]}) -> new (ffffffffffff)",
        "added    0",
        "removed  7: p0, p1, p2, p3, p4, ...",
        "changed  2 (2 titles, 1 photos, 0 attributes): p7, p8",
        "canaries: the versions have no query in common",
    ]


def test_what_cannot_be_compared(store: Path, compare: Callable[..., VersionDiff]) -> None:
    with pytest.raises(StoreError, match="has no version 'none'; it has flat, ivf, low"):
        diff_versions(Store(store), "flat", "none")
    with pytest.raises(FormatError, match=r"products\.parquet lacks the column title"):
        compare(products(2).drop_columns(["title"]))
    path = store / "versions" / "flat" / "products.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(DamagedError, match=r"products\.parquet cannot be read"):
        compare()
    (store / "versions" / "ivf" / "manifest.json").unlink()
    with pytest.raises(DamagedError, match=r"has no manifest\.json"):
        compare()
