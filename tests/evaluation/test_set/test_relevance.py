"""Labels and their shares, compared with plain dictionaries."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from artifacts.catalog import Catalog
from artifacts.judgments import Judgments
from evaluation.test_set.relevance import LABELS, LabelLookup, label_lookup, shares_of_labels

PRODUCTS = ["A", "B", "C", "D"]
PAIRS = {
    ("mug", "A"): "E", ("mug", "C"): "S", ("lamp", "B"): "C", ("lamp", "D"): "E",
    ("other query", "A"): "E", ("mug", "not in the catalogue"): "E",
}  # fmt: skip
RETRIEVED = np.array([[0, 1, 2], [3, 1, -1], [0, 1, 2]])
QUERIES = ["mug", "lamp", "never judged"]


def lookup_for(complete: bool, pairs: dict[tuple[str, str], str] = PAIRS, queries: list[str] = QUERIES) -> LabelLookup:
    rows = {
        "query": pa.array([query for query, _ in pairs], pa.string()),
        "product_id": pa.array([product for _, product in pairs], pa.string()),
        "label": pa.array(list(pairs.values()), pa.string()),
    }
    catalog = Catalog(Path("catalog.parquet"), pa.table({"product_id": PRODUCTS, "title": PRODUCTS}))
    return label_lookup(Judgments(pa.table(rows), complete), queries, catalog)


@pytest.mark.parametrize("complete", [True, False])
def test_labels_equal_a_dictionary(complete: bool) -> None:
    labels = lookup_for(complete).labels(RETRIEVED)
    for i, query in enumerate(QUERIES):
        for j, row in enumerate(RETRIEVED[i]):
            absent = "I" if complete and query != "never judged" else None
            expected = PAIRS.get((query, PRODUCTS[row]), absent) if row >= 0 else None
            assert (None if labels[i, j] < 0 else LABELS[labels[i, j]].value) == expected


def test_queries_of_older_data_sets_are_judged_by_their_one_form() -> None:
    typed = lookup_for(True, queries=[" mug\u200b", "\uff4camp", "never judged", "mug"])
    wanted = lookup_for(True).labels(RETRIEVED)
    assert (typed.labels(RETRIEVED[[0, 1, 2, 0]]) == wanted[[0, 1, 2, 0]]).all()


def test_no_judgment_of_these_queries() -> None:
    lookup = lookup_for(True, {("other", "A"): "E"})
    assert not lookup.judged.any() and (lookup.labels(RETRIEVED) == -1).all()


def test_complete_judgments_count_what_is_absent_as_irrelevant() -> None:
    shares, unlabelled = shares_of_labels(lookup_for(complete=True).labels(RETRIEVED), RETRIEVED >= 0)
    np.testing.assert_allclose(shares[:2], [[1 / 3, 1 / 3, 0, 1 / 3], [1 / 2, 0, 1 / 2, 0]])
    assert np.isnan(shares[2]).all() and unlabelled.tolist() == [0, 0, 3]


def test_incomplete_judgments_leave_unknown_pairs_out_and_count_them() -> None:
    shares, unlabelled = shares_of_labels(lookup_for(complete=False).labels(RETRIEVED), RETRIEVED >= 0)
    np.testing.assert_allclose(shares[:2], [[1 / 2, 1 / 2, 0, 0], [1 / 2, 0, 1 / 2, 0]])
    assert unlabelled.tolist() == [1, 0, 3]  # (mug, B); padding does not count


def test_only_counted_products_matter() -> None:
    labels, counted = np.array([[0, 1, -1, 3]], dtype=np.int8), np.array([[True, False, True, True]])
    shares, unlabelled = shares_of_labels(labels, counted)
    assert shares.tolist() == [[0.5, 0, 0, 0.5]] and unlabelled.tolist() == [1]
