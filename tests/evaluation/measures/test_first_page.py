"""Reciprocal rank, nDCG@10 and Exact@10, against a second writing of their formulas and against a library."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from torchmetrics.functional.retrieval import retrieval_normalized_dcg, retrieval_reciprocal_rank

from artifacts.catalog import Catalog
from artifacts.judgments import Judgments
from evaluation.labels.labelling import Labeller
from evaluation.measures.first_page import first_page, first_page_values, ndcg, reciprocal_rank
from evaluation.measures.statistics import estimate
from evaluation.test_set.relevance import LabelLookup, label_lookup
from evaluation.test_set.test_set import TestSet

GAINS = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}
PRODUCTS, QUERIES = 60, 40
IDS = [f"p{number}" for number in range(PRODUCTS)]


def catalog(products: int = PRODUCTS) -> Catalog:
    columns = {"product_id": IDS[:products], "title": IDS[:products], "image": pa.nulls(products, pa.string())}
    return Catalog(Path("catalog.parquet"), pa.table(columns))


def random_judgments() -> dict[str, dict[str, str]]:
    """Make labels by query and product: some queries have none, one only irrelevant ones, one a single Substitute."""
    random = np.random.default_rng(7)
    judged = {}
    for number in range(QUERIES):
        chosen = random.permutation(PRODUCTS)[: random.integers(1, 30)]
        judged[f"q{number:02}"] = {IDS[row]: str(random.choice(list("ESCI"))) for row in chosen}
    judged["q03"] = dict.fromkeys(IDS[:5], "I")
    judged["q04"] = {IDS[0]: "S"}
    judged["q05"] = dict.fromkeys(IDS[:25], "E")  # more than fit on the first page
    for number in (6, 7, 8):
        del judged[f"q{number:02}"]
    return judged


def small_test_set(judged: dict[str, dict[str, str]], complete: bool) -> TestSet:
    random = np.random.default_rng(8)
    rows = [(query, product, label) for query, labels in judged.items() for product, label in labels.items()]
    table = pa.table(dict(zip(("query", "product_id", "label"), map(list, zip(*rows, strict=True)), strict=True)))
    queries = [f"q{number:02}" for number in range(QUERIES)]
    bought = [np.sort(random.permutation(PRODUCTS)[: random.integers(1, 4)]) for _ in queries]
    return TestSet("d" * 64, catalog(), queries, bought, label_lookup(Judgments(table, complete), queries, catalog()))


def random_lists(products: int = 30) -> np.ndarray:
    """Make lists of 30 products, some shorter than ten and one empty."""
    random = np.random.default_rng(9)
    rows = np.stack([random.permutation(PRODUCTS)[:products] for _ in range(QUERIES)])
    rows[10, 4:] = -1
    rows[11, 9:] = -1
    rows[12] = -1
    return rows


def by_hand(rows: np.ndarray, test_set: TestSet, judged: dict[str, dict[str, str]], complete: bool) -> dict:  # type: ignore[type-arg]
    """Compute the three measures of each query with loops and dictionaries; None where one is not defined."""
    found: dict[str, list[float | None]] = {"mrr": [], "ndcg": [], "exact": []}
    for query, row, bought in zip(test_set.queries, rows.tolist(), test_set.bought, strict=True):
        listed = [IDS[number] for number in row if number >= 0]
        ranks = [rank for rank, product in enumerate(listed, 1) if product in {IDS[it] for it in bought}]
        found["mrr"].append(1 / ranks[0] if ranks else 0.0)
        labels = judged.get(query, {})
        best = sorted((GAINS[label] for label in labels.values()), reverse=True)[:10]
        ideal = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(best, 1))
        gains = [GAINS[labels[product]] if product in labels else 0.0 for product in listed[:10]]
        dcg = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))
        found["ndcg"].append(dcg / ideal if ideal else None)
        absent = "I" if complete and labels else None
        shown = [label for product in listed[:10] if (label := labels.get(product, absent))]
        found["exact"].append(shown.count("E") / len(shown) if shown else None)
    return found


@pytest.mark.parametrize("complete", [True, False])
def test_measures_equal_their_formulas(complete: bool) -> None:
    judged = random_judgments()
    test_set, rows = small_test_set(judged, complete), random_lists()
    labelling = Labeller(test_set.labels, None).label(rows)
    values = first_page_values(rows, labelling, test_set)
    expected = by_hand(rows, test_set, judged, complete)
    for name, mine in (("mrr", values.reciprocal_rank), ("ndcg", values.ndcg_at_10), ("exact", values.exact_at_10)):
        np.testing.assert_allclose(mine, np.array(expected[name], dtype=float), err_msg=name)
    # Queries without judgments, and those whose judged products are all irrelevant, have no nDCG.
    assert np.flatnonzero(np.isnan(values.ndcg_at_10)).tolist() == [3, 6, 7, 8]

    page = first_page(values, labelling, rows, test_set.labels)
    known = [value for value in expected["ndcg"] if value is not None]
    assert page.ndcg_at_10 and page.ndcg_at_10.queries == len(known) == QUERIES - 4
    assert page.ndcg_at_10.mean == pytest.approx(np.mean(known)) and page.mrr.mean == pytest.approx(
        np.mean(expected["mrr"])
    )
    assert page.exact_at_10["judged"].mean == pytest.approx(
        np.mean([value for value in expected["exact"] if value is not None])
    )
    found = estimate(values.reciprocal_rank)
    assert (page.mrr.low, page.mrr.high) == (found.low, found.high) and page.mrr.low < page.mrr.mean < page.mrr.high
    shown = [(query, row) for query, row in enumerate(rows[:, :10].tolist()) if query not in (3, 6, 7, 8)]
    pairs = [(f"q{query:02}", IDS[it]) for query, row in shown for it in row if it >= 0]
    unjudged = sum(product not in judged[query] for query, product in pairs) / len(pairs)
    assert page.unjudged_at_10 == (0 if complete else pytest.approx(unjudged))


def test_a_list_by_hand() -> None:
    # Found: S, E, unjudged, I; judged: two E, one S, one I. Gains 0.1 and 1 at the ranks 1 and 2: 0.731 of 1.681.
    labels, counts = np.array([[1, 0, -1, 3]], dtype=np.int8), np.array([[2, 1, 0, 1]])
    dcg, best = 0.1 + 1 / math.log2(3), 1 + 1 / math.log2(3) + 0.1 / 2
    assert ndcg(labels, counts)[0] == pytest.approx(dcg / best)
    assert reciprocal_rank(np.array([[5, 2, 9, -1]]), [np.array([2, 9])])[0] == 0.5
    assert reciprocal_rank(np.array([[5, -1]]), [np.array([2])])[0] == 0


def test_the_best_order_has_1_and_the_worst_little() -> None:
    counts = np.array([[2, 1, 1, 8]])
    best = np.array([[0, 0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3]], dtype=np.int8)
    assert ndcg(best, counts)[0] == pytest.approx(1)
    assert ndcg(best[:, ::-1], counts)[0] < 0.02
    many = np.array([[0] * 10 + [3] * 5], dtype=np.int8)  # 14 Exact products, of which ten fit
    assert ndcg(many, np.array([[14, 3, 0, 0]]))[0] == pytest.approx(1)


def test_measures_equal_a_library() -> None:
    judged = random_judgments()
    test_set = small_test_set(judged, complete=True)
    assert test_set.labels
    random = np.random.default_rng(3)
    rows = np.stack([random.permutation(PRODUCTS) for _ in range(QUERIES)])
    values = first_page_values(rows, Labeller(test_set.labels, None).label(rows), test_set)
    scores = torch.from_numpy(PRODUCTS - np.argsort(rows, axis=1)).float()
    for number, query in enumerate(test_set.queries):
        target = torch.zeros(PRODUCTS, dtype=torch.bool)
        target[test_set.bought[number]] = True
        expected = retrieval_reciprocal_rank(scores[number], target)
        assert values.reciprocal_rank[number] == pytest.approx(float(expected), rel=1e-5)
        gains = torch.tensor([GAINS[judged.get(query, {}).get(product, "I")] for product in IDS])
        if gains.any():
            expected = retrieval_normalized_dcg(scores[number], gains, top_k=10)
            assert values.ndcg_at_10[number] == pytest.approx(float(expected), rel=1e-5)


def test_without_judgments_there_is_mrr_alone() -> None:
    test_set = small_test_set(random_judgments(), complete=False)
    bare = TestSet(test_set.dataset_fingerprint, test_set.catalog, test_set.queries, test_set.bought, None)
    rows = random_lists()
    labelling = Labeller(None, None).label(rows)
    page = first_page(first_page_values(rows, labelling, bare), labelling, rows, None)
    assert page.mrr.queries == QUERIES and (page.ndcg_at_10, page.unjudged_at_10, page.exact_at_10) == (None, None, {})


def test_labels_are_counted_by_query() -> None:
    judged = random_judgments()
    lookup = small_test_set(judged, complete=True).labels
    assert isinstance(lookup, LabelLookup)
    for number, counts in enumerate(lookup.counts().tolist()):
        labels = list(judged.get(f"q{number:02}", {}).values())
        assert counts == [labels.count(label) for label in "ESCI"]
