"""Each kind of leak is planted in a data set on disk and refused."""

import datetime
from collections.abc import Callable
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.dataset import Overlap, Window
from training.errors import LeakageError
from training.logs import prepare as preparing
from training.logs.leakage import check_leakage
from training.logs.windows import Windows

Rows = list[tuple[str, str]]
DAY = datetime.datetime(2026, 1, 1)
WINDOWS = Windows(
    Window(start=DAY, end=DAY + datetime.timedelta(10)),
    Window(start=DAY + datetime.timedelta(10), end=DAY + datetime.timedelta(20)),
)
CLEAN: dict[str, Rows] = {
    "train_pairs": [("mug", "A"), ("mug", "B"), ("lamp", "C")],
    "validation_pairs": [("sofa", "A")],
    "evaluation_pairs": [("mug", "A"), ("mug", "C"), ("chair", "D")],
    "seen_negatives": [("mug", "C"), ("lamp", "A")],
    "shown_pairs": [("mug", "C"), ("lamp", "D")],
}
PURCHASES = (8, 6)  # two of each pair


def check(folder: Path, tables: dict[str, Rows]) -> Overlap:
    for name, pairs in tables.items():
        columns = {"query": [query for query, _ in pairs], "product_id": [product for _, product in pairs]}
        if name.endswith("_pairs") and name != "shown_pairs":
            columns["purchases"] = [2] * len(pairs)
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return check_leakage(folder, WINDOWS, PURCHASES, ibis.duckdb.connect())


def test_what_is_shared_is_counted_and_is_no_leak(tmp_path: Path) -> None:
    assert check(tmp_path, CLEAN) == Overlap(pairs=1, queries=1)


@pytest.mark.parametrize(
    ("table", "planted", "message"),
    [
        ("validation_pairs", ("lamp", "D"), "1 validation queries have training pairs, one is query 'lamp'"),
        ("shown_pairs", ("sofa", "D"), "1 validation queries stand among the shown pairs, one is query 'sofa'"),
        (
            "seen_negatives",
            ("mug", "A"),
            "1 seen negatives are positives of their query, one is query 'mug', product_id 'A'",
        ),
        (
            "seen_negatives",
            ("sofa", "A"),
            "1 seen negatives are positives of their query, one is query 'sofa', product_id 'A'",
        ),
        (
            "train_pairs",
            ("chair", "D"),  # bought in the evaluation window
            "its training pairs hold 10 purchases, the log has 8 in the training window, 2026-01-01 to 2026-01-11",
        ),
        (
            "evaluation_pairs",
            ("lamp", "C"),  # bought in the training window
            "its evaluation pairs hold 8 purchases, the log has 6 in the evaluation window",
        ),
    ],
)
def test_each_leak_is_refused(tmp_path: Path, table: str, planted: tuple[str, str], message: str) -> None:
    with pytest.raises(LeakageError) as caught:
        check(tmp_path, {**CLEAN, table: [*CLEAN[table], planted]})
    assert str(caught.value) == f"the data set leaks: {message}"


def test_a_leak_leaves_no_data_set(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that prepare would widen by mistake is caught by the recount."""
    scored: Callable[..., object] = preparing.LogQueries.positives

    def widened(log: object, window: Window, interest: object) -> object:
        return scored(log, Window(start=window.start, end=window.end + datetime.timedelta(5)), interest)

    monkeypatch.setattr(preparing.LogQueries, "positives", widened)
    with pytest.raises(LeakageError, match="the data set leaks: "):
        preparing.prepare(shop / "catalog.parquet", shop / "interactions.parquet", None, tmp_path / "data")
    assert list(tmp_path.iterdir()) == []
