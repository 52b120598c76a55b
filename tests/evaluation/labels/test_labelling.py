"""Sources of labels, with a stand-in annotator whose labels and abstentions are a fixed table."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from artifacts.catalog import Catalog
from artifacts.judgments import Judgments
from evaluation.labels import labelling
from evaluation.labels.annotated_pairs import AnnotatedPairs
from evaluation.labels.labelling import Labeller
from evaluation.test_set.relevance import label_lookup
from evaluation.test_set.test_set import TestSet

PRODUCTS, QUERIES = ["A", "B", "C", "D"], ["mug", "lamp"]
CATALOG = Catalog(Path("catalog.parquet"), pa.table({"product_id": PRODUCTS, "title": PRODUCTS}))
ROWS = np.array([[0, 1, 2], [3, 2, -1]])
SAYS = np.array([[0, 1, -1, 2], [0, 1, 2, -1]])  # (queries, products): the annotator's codes


class Says:
    """An annotator that returns the codes in SAYS and records the requested pairs."""

    fingerprint = "a" * 64

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def label(self, queries, catalog, query_numbers, rows, progress):  # type: ignore[no-untyped-def]
        assert list(queries) == QUERIES and catalog is CATALOG
        self.asked += zip(query_numbers.tolist(), rows.tolist(), strict=True)
        progress(len(rows))
        return SAYS[query_numbers, rows].astype(np.int8)


def labeller(out: Path, annotator: Says | None, complete: bool | None) -> Labeller:
    """Make a labeller with judgments of "mug" only: A is Exact, B is Complement."""
    table = pa.table({"query": ["mug", "mug"], "product_id": ["A", "B"], "label": ["E", "C"]})
    lookup = None if complete is None else label_lookup(Judgments(table, complete), QUERIES, CATALOG)
    test_set = TestSet("d" * 64, CATALOG, QUERIES, [np.array([0]), np.array([1])], lookup)
    return Labeller(lookup, AnnotatedPairs(annotator, test_set, out) if annotator else None)


@pytest.mark.parametrize(
    ("complete", "annotated", "source", "labels", "pair_sources"),
    [
        (True, False, [0, -1], [[0, 2, 3], [-1, -1, -1]], [[0, 0, 0], [-1, -1, -1]]),
        (True, True, [0, 1], [[0, 2, 3], [-1, 2, -1]], [[0, 0, 0], [-1, 1, -1]]),
        (False, False, [0, -1], [[0, 2, -1], [-1, -1, -1]], [[0, 0, -1], [-1, -1, -1]]),
        (False, True, [1, 1], [[0, 2, -1], [-1, 2, -1]], [[0, 0, -1], [-1, 1, -1]]),
        (None, True, [1, 1], [[0, 1, -1], [-1, 2, -1]], [[1, 1, -1], [-1, 1, -1]]),
        (None, False, [-1, -1], [[-1, -1, -1], [-1, -1, -1]], [[-1, -1, -1], [-1, -1, -1]]),
    ],
)
def test_where_labels_come_from(
    complete: bool | None, annotated: bool, source: list[int], labels: object, pair_sources: object, tmp_path: Path
) -> None:
    found = labeller(tmp_path, Says() if annotated else None, complete).label(ROWS)
    assert found.source.tolist() == source
    assert found.labels.tolist() == labels
    assert found.pair_sources.tolist() == pair_sources


def test_agreement_is_over_judged_pairs_where_the_annotator_does_not_abstain(tmp_path: Path) -> None:
    # Judged, complete: A is E, B is C, C is I; the annotator says E, S and nothing.
    agreement = labeller(tmp_path, Says(), complete=True).label(ROWS).agreement
    assert agreement and (agreement.pairs, agreement.abstained, agreement.accuracy) == (3, 1, 0.5)
    assert labeller(tmp_path, Says(), complete=None).label(ROWS).agreement is None
    assert labeller(tmp_path, None, complete=True).label(ROWS).agreement is None


def test_agreement_asks_for_the_lists_of_few_queries_spread_over_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "AGREEMENT_QUERIES", 3)
    queries = [f"query {number}" for number in range(9)]
    judged = [query for number, query in enumerate(queries) if number != 4]
    table = pa.table({"query": judged, "product_id": ["A"] * 8, "label": ["E"] * 8})
    lookup = label_lookup(Judgments(table, True), queries, CATALOG)
    test_set = TestSet("d" * 64, CATALOG, queries, [np.array([0])] * 9, lookup)

    class SaysExact(Says):
        def label(self, queries, catalog, query_numbers, rows, progress):  # type: ignore[no-untyped-def]
            self.asked += zip(query_numbers.tolist(), rows.tolist(), strict=True)
            return np.zeros(len(rows), np.int8)

    says = SaysExact()
    found = Labeller(lookup, AnnotatedPairs(says, test_set, tmp_path)).label(np.array([[0, 1]] * 9))
    assert found.agreement and (found.agreement.pairs, found.agreement.accuracy) == (6, 0.5)
    assert sorted({number for number, _ in says.asked}) == [0, 3, 4, 8]  # 4 is not judged and gets its labels


def test_a_pair_is_labelled_once_over_models_and_runs(tmp_path: Path) -> None:
    first = Says()
    both = labeller(tmp_path, first, complete=None)
    both.label(ROWS)
    both.label(ROWS[:, ::-1])
    assert sorted(first.asked) == [(0, 0), (0, 1), (0, 2), (1, 2), (1, 3)]
    second = Says()
    again = labeller(tmp_path, second, complete=None).label(np.array([[3, 0, 1], [3, 2, -1]]))
    assert second.asked == [(0, 3)] and again.labels.tolist() == [[2, 0, 1], [-1, 2, -1]]
    (kept,) = (tmp_path / ".work").iterdir()
    kept.write_bytes(kept.read_bytes()[:-3])
    third = Says()
    labeller(tmp_path, third, complete=None).label(ROWS)
    assert len(third.asked) == 5  # pairs of a damaged cache are labelled again
