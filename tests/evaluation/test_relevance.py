"""Labels and precision against plain dictionaries."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from artifacts.catalog import Catalog
from artifacts.judgments import Judgments
from evaluation.relevance import LABELS, label_lookup, precision

PRODUCTS = ["A", "B", "C", "D"]
PAIRS = {
    ("mug", "A"): "E", ("mug", "C"): "S", ("lamp", "B"): "C", ("lamp", "D"): "E",
    ("other query", "A"): "E", ("mug", "not in the catalogue"): "E",
}  # fmt: skip
RETRIEVED = np.array([[0, 1, 2], [3, 1, -1], [0, 1, 2]])
QUERIES = ["mug", "lamp", "never judged"]


def lookup_for(complete: bool, pairs: dict[tuple[str, str], str] = PAIRS):  # type: ignore[no-untyped-def]
    rows = {
        "query": pa.array([query for query, _ in pairs], pa.string()),
        "product_id": pa.array([product for _, product in pairs], pa.string()),
        "label": pa.array(list(pairs.values()), pa.string()),
    }
    catalog = Catalog(Path("catalog.parquet"), pa.table({"product_id": PRODUCTS, "title": PRODUCTS}))
    return label_lookup(Judgments(pa.table(rows), complete), QUERIES, catalog)


@pytest.mark.parametrize("complete", [True, False])
def test_labels_equal_a_dictionary(complete: bool) -> None:
    labels = lookup_for(complete).labels(RETRIEVED)
    for i, query in enumerate(QUERIES):
        for j, row in enumerate(RETRIEVED[i]):
            absent = "I" if complete and query != "never judged" else None
            expected = PAIRS.get((query, PRODUCTS[row]), absent) if row >= 0 else None
            assert (None if labels[i, j] < 0 else LABELS[labels[i, j]].value) == expected


def test_complete_judgments_count_what_is_absent_as_irrelevant() -> None:
    found = precision(lookup_for(complete=True), RETRIEVED)
    assert found.queries.tolist() == [0, 1]
    np.testing.assert_allclose(found.shares, [[1 / 3, 1 / 3, 0, 1 / 3], [1 / 2, 0, 1 / 2, 0]])
    assert found.unlabelled == 0


def test_incomplete_judgments_leave_unknown_pairs_out_and_count_them() -> None:
    found = precision(lookup_for(complete=False), RETRIEVED)
    np.testing.assert_allclose(found.shares, [[1 / 2, 1 / 2, 0, 0], [1 / 2, 0, 1 / 2, 0]])
    assert found.unlabelled == 1  # (mug, B); padding and unjudged queries do not count


def test_no_judgment_at_all() -> None:
    found = precision(lookup_for(True, {("other", "A"): "E"}), RETRIEVED)
    assert len(found.queries) == 0 and found.unlabelled == 0
