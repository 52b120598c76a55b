"""Tables, sentence and curve of the generations, from files as `evaluation run` writes them."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from artifacts.errors import DamagedError
from training.generations.curve import PANELS, curve
from training.generations.log_record import GenerationLog
from training.generations.outcome import MEASURES, Outcome, markdown, read_outcome, verdict

LOG = GenerationLog(seed=0, from_list=0.7, engine=None, shown=1000, shown_exact=280, purchases=200, purchases_shown=130)


def interval(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}


def write_result(results: Path, name: str, mean: float) -> None:
    exact = {"judged": interval(mean)}
    content: dict[str, Any] = {
        "recall_at": {str(k): interval(mean) for k in (1, 10, 100)},
        "labels": {"judged": {"precision": {"E": interval(mean)}}},
        "first_page": {"ndcg_at_10": interval(mean), "exact_at_10": exact},
    }
    (results / f"{name}.json").write_text(json.dumps(content))


def write_comparison(results: Path, name: str, mean: float, recall_at_1: float) -> None:
    first_page = {
        "recall_at": {"1": interval(recall_at_1), "10": interval(mean)},
        "ndcg_at_10": interval(mean),
        "exact_at_10": {"judged": interval(mean)},
    }
    content = {"recall": interval(mean), "labels": {"judged": {"E": interval(mean)}}, "first_page": first_page}
    (results / f"{name}.vs-generation-1.json").write_text(json.dumps(content))


@pytest.fixture
def outcomes(tmp_path: Path) -> list[Outcome]:
    """The second generation is as good as the first, the third is behind in Recall@1."""
    for number, mean in enumerate((0.5, 0.52, 0.49), start=1):
        write_result(tmp_path, f"generation-{number}", mean)
    write_comparison(tmp_path, "generation-2", 0.005, -0.005)
    write_comparison(tmp_path, "generation-3", 0.0, -0.02)
    engines = (None, "a" * 64, "b" * 64)
    logs = [LOG.model_copy(update={"engine": engine}) for engine in engines]
    return [read_outcome(tmp_path, f"generation-{number}", log) for number, log in enumerate(logs, start=1)]


def test_measures_are_those_of_the_evaluation_in_percent(outcomes: list[Outcome]) -> None:
    assert all(list(it.values) == [measure.name for measure in MEASURES] for it in outcomes)
    assert outcomes[0].values["Recall@100"].mean == pytest.approx(50) and not outcomes[0].differences
    assert outcomes[2].differences["Recall@1"].high == pytest.approx(-1)
    assert {name for panel in PANELS for name in panel} == {measure.name for measure in MEASURES}


def test_what_fell_significantly_below_the_first_is_said(outcomes: list[Outcome]) -> None:
    assert verdict(outcomes[:2]).startswith("No generation is significantly below the first in any of Recall@1, ")
    assert verdict(outcomes) == (
        "Significantly below the first generation: generation-3 in Recall@1 (-2.0 [-3.0, -1.0])."
    )


def test_a_second_fit_of_the_first_generation_is_no_generation_but_a_measure_of_noise(outcomes: list[Outcome]) -> None:
    noise = dataclasses.replace(outcomes[2], name="generation-1-again")
    said, first_again = verdict([*outcomes[:2], noise]).split(". The first generation, ")
    assert said == verdict(outcomes[:2]).rstrip(".")
    assert first_again.startswith("fitted again with another seed, differs from it by -2.0 in Recall@1, +0.0 in ")


def test_tables_hold_values_differences_and_logs(outcomes: list[Outcome]) -> None:
    text = markdown(outcomes)
    assert verdict(outcomes) in text
    assert "| generation-1 | 50.0 +-1.0 |" in text
    assert "| generation-3 | **-2.0 [-3.0, -1.0]** | +0.0 [-1.0, +1.0] |" in text
    assert "| generation-1 | the shop's own engine | 28.0% | 200 | 65.0% |" in text
    assert "| generation-2 | model aaaaaaaaaaaa | 28.0% | 200 | 65.0% |" in text


def test_the_curve_is_an_svg_with_every_measure_and_is_reproducible(outcomes: list[Outcome]) -> None:
    drawn = curve(outcomes)
    texts = set(re.findall(r"<text[^>]*>([^<]+)</text>", drawn.decode()))
    assert {*(measure.name for measure in MEASURES), "generation", "1", "2", "3"} <= texts
    assert curve(outcomes) == drawn


def test_a_result_without_judgments_is_refused(outcomes: list[Outcome], tmp_path: Path) -> None:
    (tmp_path / "generation-1.json").write_text('{"recall_at": {}}')
    with pytest.raises(DamagedError, match="is no result with judgments"):
        read_outcome(tmp_path, "generation-1", LOG)
