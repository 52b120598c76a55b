"""What is said of a fitted model."""

from pathlib import Path

import pytest

from artifacts.bundle import BundleCard
from artifacts.records import write_record
from tests.support.folders import tiny_origin
from training.fitting.start_check import START_KEPT
from vitrine.steps.bundle_report import bundle_line

MEASURED = {"held_out_recall_at_10": 0.9884, "held_out_start_recall_at_10": 0.97}


@pytest.mark.parametrize(
    ("metrics", "line"),
    [
        ({}, None),
        (MEASURED, "recall@10 of held-out queries: 99 %, 97 % at the start; the fit is kept"),
        (
            {**MEASURED, "held_out_bm25_recall_at_10": 0.5, START_KEPT: 1.0},
            "recall@10 of held-out queries: 99 %, 97 % at the start, 50 % by BM25; its start is kept",
        ),
    ],
)
def test_a_fit_is_told_beside_its_start(metrics: dict[str, float], line: str | None, tmp_path: Path) -> None:
    origin = tiny_origin().model_copy(update={"metrics": metrics})
    write_record(tmp_path / "model.json", BundleCard(width=8, origin=origin, files={}))
    assert bundle_line(tmp_path) == line
