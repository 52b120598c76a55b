"""The table of rewritten queries: its shares of recall, and what it says where there is none."""

import numpy as np
import pytest

from evaluation.core.errors import EvaluationError
from evaluation.measures.robustness import recall_kept
from evaluation.results.records import Interval, Result
from evaluation.results.saved import QueryValues, SavedResult
from evaluation.tables.wording_table import wording_table


def saved(queries: list[str], recall: list[float], changed: int = 0, degenerate: str | None = None) -> SavedResult:
    values = np.array(recall, dtype=np.float64)
    mean = Interval(mean=values.mean(), low=values.mean(), high=values.mean())
    result = Result(
        model="bibert",
        kind="model",
        description="",
        model_fingerprint="f" * 64,
        dataset_fingerprint="e" * 64,
        annotator_fingerprint=None,
        origin=None,
        products=1000,
        queries=len(queries),
        rewriting="typo" if changed else None,
        rewritten_queries=changed,
        degenerate=degenerate,
        recall=None if degenerate else mean,
        recall_at={},
        labels={},
        agreement=None,
        files={},
    )
    count, none = len(queries), np.zeros((len(queries), 0))
    lists = none.astype(np.int64), none.astype(np.float32), none.astype(np.int8), none.astype(np.int8)
    codes = np.full(count, -1, dtype=np.int8)
    of_queries = QueryValues(
        queries, np.ones(count, np.int64), {100: values}, codes, np.full((count, 4), np.nan), codes * 0, *lists
    )
    return SavedResult(result, None if degenerate else of_queries)


TYPED = saved(["red mug", "lamp", "a", "tee"], [1.0, 0.5, 0.5, 0.0])


def test_shares_are_over_all_queries_and_over_the_changed_ones() -> None:
    kept = recall_kept(TYPED, saved(["rde mug", "lmap", "a", "tee"], [0.5, 0.25, 0.5, 0.0], changed=2))
    assert kept.of_all and kept.of_all.mean == pytest.approx(1.25 / 2) and kept.of_all.queries == 4
    assert kept.of_changed and kept.of_changed.mean == pytest.approx(0.5) and kept.of_changed.queries == 2
    assert kept.of_changed.low == kept.of_changed.high == pytest.approx(0.5)  # both lost a half
    assert kept.of_all.low < 1.25 / 2 < kept.of_all.high


def test_the_table_has_a_row_for_each_wording() -> None:
    changed = saved(["rde mug", "lmap", "a", "tee"], [0.5, 0.25, 0.5, 0.0], changed=2)
    table = wording_table(TYPED, {"typo": changed, "number": saved(TYPED.values.queries, [1.0, 0.5, 0.5, 0.0])})  # type: ignore[union-attr]
    rows = [list(row) for row in table.rows]
    assert [row[:3] for row in rows] == [
        ["as typed", "-", "50.0 +-0.0"],
        ["typo", "2", "31.2 +-0.0"],
        ["number", "0", "50.0 +-0.0"],
    ]
    assert rows[1][3].startswith("62.5 [") and rows[1][4] == "50.0 [50.0, 50.0]" and rows[1][5] == "-"
    assert rows[2][3:5] == ["100.0 [100.0, 100.0]", "-"]


def test_a_degenerate_result_has_its_reason_in_place_of_shares() -> None:
    broken = saved(TYPED.values.queries, [0.0] * 4, degenerate="all answers are equal")  # type: ignore[union-attr]
    with pytest.raises(EvaluationError, match="bibert is degenerate"):
        recall_kept(TYPED, broken)
    table = wording_table(TYPED, {"typo": broken})
    assert list(table.rows[1]) == ["typo", "0", "-", "-", "-", "-"]
    assert table.notes[0] == "typo: degenerate, all answers are equal."
    assert wording_table(broken, {"typo": broken}).rows == []
