"""Parts of the report without an evaluation: choice of queries, overlap, label placement, curves."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from torch.utils.tensorboard import SummaryWriter

from evaluation.report_page.choice import QUERIES_PER_REASON, Chosen, Reason, choose
from evaluation.report_page.figures.alpha_sweep import AlphaSweep, alpha_sweep
from evaluation.report_page.figures.lines import Line
from evaluation.report_page.figures.placing import spread
from evaluation.report_page.figures.recall_against_exact import Point, recall_against_exact
from evaluation.report_page.figures.recall_curves import recall_curves
from evaluation.report_page.figures.roles import Role
from evaluation.report_page.membership import only_in, shared_counts
from evaluation.report_page.training_log import read_training_log
from evaluation.report_page.words import signed
from evaluation.results.records import Interval
from evaluation.results.saved import QueryValues
from evaluation.tables.paper import PAPER_TABLE_2, PAPER_TABLE_4, paper_order
from tests.support.html import parse


def values(recalls: list[float], bought: list[int]) -> QueryValues:
    n = len(recalls)
    return QueryValues(
        queries=[f"query {number:03}" for number in range(n)],
        bought=np.array(bought),
        recall_at={100: np.array(recalls)},
        source=np.full(n, -1, dtype=np.int8),
        shares=np.full((n, 4), np.nan),
        unlabelled=np.zeros(n, dtype=np.int64),
        rows=np.zeros((n, 2), dtype=np.int64),
        scores=np.zeros((n, 2), dtype=np.float32),
        labels=np.full((n, 2), -1, dtype=np.int8),
        pair_sources=np.full((n, 2), -1, dtype=np.int8),
    )


def test_greatest_gains_greatest_losses_and_others() -> None:
    random = np.random.default_rng(3)
    mine, theirs = random.integers(0, 3, (2, 120)) / 2
    bought = random.integers(1, 4, 120)
    model, baseline = values(mine.tolist(), bought.tolist()), values(theirs.tolist(), bought.tolist())
    chosen = choose(model, baseline, 100)
    by_reason = {reason: [one.number for one in chosen if one.reason is reason] for reason in Reason}
    assert [len(numbers) for numbers in by_reason.values()] == [QUERIES_PER_REASON] * 3
    assert len({one.number for one in chosen}) == 3 * QUERIES_PER_REASON
    table = sorted((theirs[n] - mine[n], -bought[n], n) for n in range(120))
    assert by_reason[Reason.GAIN] == [n for _, _, n in table[:8]]
    table = sorted((mine[n] - theirs[n], -bought[n], n) for n in range(120))
    assert by_reason[Reason.LOSS] == [n for _, _, n in table[:8]]
    assert choose(model, baseline, 100) == chosen


def test_without_gains_there_are_only_random_queries() -> None:
    same = values([0.5] * 5, [1] * 5)
    assert sorted((one.number, one.reason) for one in choose(same, same, 100)) == [(n, Reason.RANDOM) for n in range(5)]


def test_only_queries_with_labels_are_shown_where_there_are_any() -> None:
    model, baseline = values([1.0] * 6, [1] * 6), values([0.0] * 6, [1] * 6)
    model.source[[1, 4]] = 0
    assert choose(model, baseline, 100) == [Chosen(1, Reason.GAIN), Chosen(4, Reason.GAIN)]


def test_membership_equals_sets() -> None:
    random = np.random.default_rng(0)
    mine = np.stack([random.permutation(30)[:12] for _ in range(50)])
    theirs = np.stack([random.permutation(30)[:12] for _ in range(50)])
    mine[0, 9:], theirs[0, 10:] = -1, -1  # padding counts as no product
    for a, b, shared in zip(mine, theirs, shared_counts(mine, theirs), strict=True):
        assert shared == len((set(a.tolist()) & set(b.tolist())) - {-1})
        assert only_in(a, b) == [place for place, row in enumerate(a.tolist()) if row not in b.tolist() and row != -1]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([], []),
        ([50], [50]),
        ([50, 10], [50, 10]),
        ([50, 50], [45, 55]),
        ([50, 50, 50], [40, 50, 60]),
        ([0, 0], [0, 10]),
        ([100, 98, 20], [100, 90, 20]),
        ([40, 48, 52], [36.667, 46.667, 56.667]),
    ],
)
def test_labels_are_moved_apart_as_little_as_needed(wanted: list[float], expected: list[float]) -> None:
    assert spread(wanted, 10, 0, 100) == pytest.approx(expected, abs=0.01)


def test_curves_keep_their_ends_and_are_thinned(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "curves") as writer:
        for step in range(1000):
            writer.add_scalar("loss", 1000 - step, step)
        writer.add_scalar("temperature", 0.5, 7)
    log = read_training_log(tmp_path)
    assert list(log) == ["loss", "temperature"] and log["temperature"].steps == [7]
    curve = log["loss"]
    assert curve.steps[0] == 0 and curve.steps[-1] == 999 and 150 <= len(curve.steps) <= 201
    assert curve.values == [1000 - step for step in curve.steps]
    assert read_training_log(tmp_path / "no bundle") == {}


def test_charts_take_their_colours_from_the_page_and_escape_names() -> None:
    lines = [
        Line("<b>&", Role.FEATURED, [1, 10, 100], [0.1, 0.2, 0.3]),
        Line("bibert", Role.BASELINE, [1, 10, 100], [0.1, 0.2, 0.25]),
    ]
    svg = recall_curves(lines)
    assert not re.search(r"#[0-9a-f]{6}\b(?!\")", svg.replace('href="#', "")) and "var(--accent)" in svg
    (root,) = parse(svg).children
    assert not isinstance(root, str) and root.tag == "svg" and "<b>&" in root.text and not list(root.all("b"))
    assert all(e.attributes["id"].startswith("recall-curves-") for e in root.all() if "id" in e.attributes)
    assert recall_curves(lines) == svg


@pytest.mark.parametrize("count", [9, 14])
def test_names_of_many_models_do_not_cover_each_other(count: int) -> None:
    """Names do not overlap even if all models have the same values."""
    same = Interval(mean=0.51, low=0.5, high=0.52)
    others = [Point(f"model-{number}", Role.OTHER, same, same) for number in range(count)]
    svg = recall_against_exact([Point("base", Role.BASELINE, same, same), *others])
    heights = sorted(float(y) for y in re.findall(r'<text[^>]* y="([\d.]+)"[^>]*>(?:base|model-\d+)</text>', svg))
    assert len(heights) == count + 1
    assert all(after - before > 11.5 for before, after in pairwise(heights))


def test_the_chosen_alpha_is_named() -> None:
    svg = alpha_sweep([AlphaSweep("4tmm-alpha", {0.25: 0.5, 0.5: 0.625, 0.75: 0.55}, 0.5)])
    (root,) = parse(svg).children
    assert not isinstance(root, str) and "4tmm-alpha: alpha 0.5, 62.5 %" in root.text


def test_models_stand_as_in_the_paper() -> None:
    names = ["zebra", "3tmm-joint", "clip", "bibert", "other"]
    assert sorted(names, key=lambda name: paper_order(name, name)) == ["bibert", "clip", "3tmm-joint", "other", "zebra"]
    assert len(PAPER_TABLE_2) == 11 and set(PAPER_TABLE_4) < set(PAPER_TABLE_2)


@pytest.mark.parametrize(("share", "words"), [(0.0234, "+2.3"), (-0.0138, "\u22121.4"), (0.0, "+0.0")])
def test_differences_have_a_sign(share: float, words: str) -> None:
    assert signed(share) == words
