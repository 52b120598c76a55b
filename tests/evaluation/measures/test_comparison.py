"""Tables 3 and 4, compared with a slow implementation by sets, on random lists."""

import numpy as np
import pytest

from evaluation.core.errors import EvaluationError
from evaluation.measures.comparison import compare, differences, in_list, net_predictions, net_recall
from evaluation.measures.statistics import RESAMPLES
from evaluation.results.records import Result
from evaluation.results.saved import FirstPageValues, QueryValues, SavedResult
from evaluation.test_set.relevance import LABELS, shares_of_labels

QUERIES, PRODUCTS, DEPTH = 60, 80, 20


def random_values(seed: int, bought: list[np.ndarray]) -> QueryValues:
    """Make a result of random lists: some are short, some pairs lack a label, queries have either source or none."""
    generator = np.random.default_rng(seed)
    rows = np.stack([generator.permutation(PRODUCTS)[:DEPTH] for _ in range(QUERIES)])
    rows[3, 5:] = -1
    # The label of a pair is the same for all models; one pair in three has none.
    pair_labels = np.random.default_rng(99).integers(-2, 4, (QUERIES, PRODUCTS)).clip(-1)
    labels = np.where(rows >= 0, np.take_along_axis(pair_labels, rows.clip(0), axis=1), -1).astype(np.int8)
    source = (np.arange(QUERIES) % 3 - 1).astype(np.int8)
    labels[source < 0] = -1
    shares, unlabelled = shares_of_labels(labels, rows >= 0)
    recall = np.array([np.isin(mine, row).mean() for mine, row in zip(bought, rows, strict=True)])
    pair_sources = np.where(labels >= 0, source[:, None], -1).astype(np.int8)
    page = FirstPageValues(*generator.random((3, QUERIES)))
    page.ndcg_at_10[4:9] = np.nan
    page.exact_at_10[: 5 + seed] = np.nan
    return QueryValues(
        [f"query {i}" for i in range(QUERIES)], np.array([len(mine) for mine in bought]),
        {10: recall / 2, DEPTH: recall}, source, shares, unlabelled, rows, rows.astype(np.float32), labels,
        pair_sources, page,
    )  # fmt: skip


def result(name: str, **changes: object) -> Result:
    record = Result(
        model=name, kind="model", description="", model_fingerprint=name * 8, dataset_fingerprint="d" * 64,
        annotator_fingerprint=None, origin=None, depth=DEPTH, products=PRODUCTS, queries=QUERIES, degenerate=None,
        recall=None, recall_at={}, labels={}, agreement=None, files={},
    )  # fmt: skip
    return record.model_copy(update=changes)


@pytest.fixture(scope="module")
def bought() -> list[np.ndarray]:
    generator = np.random.default_rng(5)
    return [generator.permutation(PRODUCTS)[: generator.integers(1, 9)] for _ in range(QUERIES)]


@pytest.fixture(scope="module")
def pair(bought: list[np.ndarray]) -> tuple[SavedResult, SavedResult]:
    mine, theirs = random_values(1, bought), random_values(2, bought)
    theirs.rows[7] = mine.rows[7]  # a query without net predictions
    return SavedResult(result("mine"), mine), SavedResult(result("base"), theirs)


def slowly(mine: QueryValues, theirs: QueryValues, bought: list[np.ndarray]) -> dict[str, object]:
    """Compute the definitions of the paper's section 4.4 with sets and loops."""
    overlap, count, recall = [], [], []
    shares: dict[int, list[list[float]]] = {0: [], 1: []}
    left_out, unlabelled = {0: 0, 1: 0}, {0: 0, 1: 0}
    for i in range(QUERIES):
        predictions = [int(row) for row in mine.rows[i] if row >= 0]
        baseline = {int(row) for row in theirs.rows[i] if row >= 0}
        net = [row for row in predictions if row not in baseline]
        overlap.append(len(set(predictions) & baseline))
        count.append(len(net))
        recall.append(len(set(net) & set(bought[i].tolist())) / len(bought[i]))
        if mine.source[i] < 0:
            continue
        codes = [int(mine.labels[i, predictions.index(row)]) for row in net]
        known = [code for code in codes if code >= 0]
        unlabelled[mine.source[i]] += len(codes) - len(known)
        if known:
            shares[mine.source[i]].append([known.count(code) / len(known) for code in range(4)])
        else:
            left_out[mine.source[i]] += 1
    return {"overlap": overlap, "count": count, "recall": recall, "shares": shares,
            "left_out": left_out, "unlabelled": unlabelled}  # fmt: skip


def test_tables_3_and_4_equal_a_second_writing(pair: tuple[SavedResult, SavedResult], bought: list[np.ndarray]) -> None:
    found = compare(*pair, bought)
    assert pair[0].values and pair[1].values
    expected = slowly(pair[0].values, pair[1].values, bought)
    for spread, name in ((found.overlap, "overlap"), (found.net_count, "count")):
        assert (spread.mean, spread.deviation) == pytest.approx((np.mean(expected[name]), np.std(expected[name])))
    assert found.queries_without_net == expected["count"].count(0) >= 1
    assert found.net_recall.mean == pytest.approx(np.mean(expected["recall"]))
    for code, source in enumerate(("judged", "annotated")):
        labels, shares = found.net_labels[source], np.array(expected["shares"][code])
        assert [labels.precision[label].mean for label in LABELS] == pytest.approx(shares.mean(axis=0))
        assert labels.queries == len(shares) and labels.queries_left_out == expected["left_out"][code]
        assert labels.unlabelled_pairs == expected["unlabelled"][code] > 0


def test_differences_are_paired(pair: tuple[SavedResult, SavedResult]) -> None:
    found = differences(*pair)
    mine, theirs = pair[0].values, pair[1].values
    assert mine and theirs
    assert found.recall.mean == pytest.approx(np.mean(mine.recall_at[DEPTH] - theirs.recall_at[DEPTH]))
    for code, source in enumerate(("judged", "annotated")):
        asked = (mine.source == code) & ~np.isnan(mine.shares[:, 0]) & ~np.isnan(theirs.shares[:, 0])
        gaps = (mine.shares - theirs.shares)[asked]
        assert [found.labels[source][label].mean for label in LABELS] == pytest.approx(gaps.mean(axis=0))
        assert found.labels[source]["E"].queries == asked.sum()


def test_differences_of_the_first_page_are_paired(pair: tuple[SavedResult, SavedResult]) -> None:
    found = differences(*pair).first_page
    mine, theirs = pair[0].values, pair[1].values
    assert found and mine and theirs and mine.first_page and theirs.first_page
    assert list(found.recall_at) == [10]  # these lists have no recall at 1
    gaps = mine.recall_at[10] - theirs.recall_at[10]
    assert found.recall_at[10].mean == pytest.approx(gaps.mean())
    drawn = gaps[np.random.default_rng(0).integers(0, QUERIES, (RESAMPLES, QUERIES))].mean(axis=1)
    assert (found.recall_at[10].low, found.recall_at[10].high) == pytest.approx(np.quantile(drawn, (0.025, 0.975)))
    ranks = mine.first_page.reciprocal_rank - theirs.first_page.reciprocal_rank
    assert found.mrr.mean == pytest.approx(ranks.mean()) and found.mrr.queries == QUERIES
    gains = mine.first_page.ndcg_at_10 - theirs.first_page.ndcg_at_10
    assert found.ndcg_at_10 and found.ndcg_at_10.queries == QUERIES - 5
    assert found.ndcg_at_10.mean == pytest.approx(np.nanmean(gains))
    for code, source in enumerate(("judged", "annotated")):
        exact = (mine.first_page.exact_at_10 - theirs.first_page.exact_at_10)[mine.source == code]
        assert found.exact_at_10[source].mean == pytest.approx(np.nanmean(exact))
        assert found.exact_at_10[source].queries == (~np.isnan(exact)).sum() < len(exact)


def test_a_model_against_itself_adds_nothing(pair: tuple[SavedResult, SavedResult], bought: list[np.ndarray]) -> None:
    found = compare(pair[0], pair[0], bought)
    assert found.net_count.mean == 0 and found.queries_without_net == QUERIES and found.net_recall.mean == 0
    assert all(not labels.precision and labels.queries == 0 for labels in found.net_labels.values())
    assert found.recall.p_value == 1 and (found.recall.low, found.recall.high) == (0, 0)


def test_a_case_by_hand() -> None:
    mine, base = np.array([[4, 2, 7, -1]]), np.array([[7, 9, -1, -1]])
    assert in_list(mine, base).tolist() == [[False, False, True, False]]
    net = net_predictions(mine, base)
    assert net.tolist() == [[True, True, False, False]]
    # Two of four purchases are net; 7 is retrieved, but the baseline has it too; 1 is not retrieved.
    assert net_recall(mine, net, [np.array([1, 2, 4, 7])]).tolist() == [0.5]


def test_results_that_do_not_belong_together_are_refused(pair: tuple[SavedResult, SavedResult]) -> None:
    mine, base = pair
    sentence = (
        "mine and base were evaluated on different data or labels and cannot be compared; "
        "run both on one data set, with the same annotator"
    )
    for changes in ({"dataset_fingerprint": "e" * 64}, {"depth": 5}, {"annotator_fingerprint": "a"}):
        with pytest.raises(EvaluationError) as raised:
            differences(mine, SavedResult(base.result.model_copy(update=changes), base.values))
        assert str(raised.value) == sentence
    with pytest.raises(EvaluationError, match=r"^base is degenerate \(all alike\); there is nothing to compare$"):
        differences(mine, SavedResult(result("base", degenerate="all alike"), None))
