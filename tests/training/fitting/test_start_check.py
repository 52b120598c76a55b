"""A fit against its pretrained start and against BM25."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from artifacts.bundle import open_bundle
from tests.support.encoders import LAYERS
from tests.training.small_fits import Fits, without_export
from tests.training.small_recipes import small
from training.batches.training_data import TrainingData
from training.fitting import start_check
from training.fitting.fit import fit
from training.fitting.fitted_model import FittedModel
from training.fitting.pretrained_start import PretrainedStart, pretrained_start
from training.fitting.request import FitRequest
from training.fitting.start_check import (
    FEWEST_HELD_OUT,
    Comparison,
    bm25_is_ahead,
    compare,
    keep_the_better,
    reason_for_start,
    standing,
)
from training.fitting.validation import validation_set
from training.model.start import starting_model
from training.recipes.recipe import Recipe, load_recipe
from training.recipes.towers import PretrainedBertRecipe

MANY = FEWEST_HELD_OUT
BETTER, WORSE = [0.8, 0.9] * MANY, [0.2, 0.3] * MANY


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    found = small("minilm")
    assert isinstance(found.bibert, PretrainedBertRecipe)
    return found.model_copy(update={"bibert": found.bibert.model_copy(update={"layers": (0,), "fields": ()})})


@pytest.fixture
def begun(recipe: Recipe) -> PretrainedStart:
    found = pretrained_start(recipe, {})
    assert found is not None
    return found


@pytest.fixture
def fitted(recipe: Recipe) -> FittedModel:
    start = starting_model(recipe, [], {}, ())
    with torch.no_grad():
        for parameter in start.model.query.parameters():
            parameter.add_(torch.randn_like(parameter))
    query, product = start.encoders()
    return FittedModel(start.model.eval(), start.tokenizers, query, product)


def recalls(values: Sequence[float]) -> Mapping[int, np.ndarray]:
    return {10: np.array(values), 100: np.array(values)}


def comparison(model: Sequence[float], start: Sequence[float], bm25: Sequence[float] | None = None) -> Comparison:
    return Comparison("held_out", "held-out queries", recalls(model), recalls(bm25 or start), recalls(start))


def test_the_start_is_all_layers_as_they_were_pretrained(begun: PretrainedStart) -> None:
    assert begun.recipe.train == () and begun.recipe.optimisation is None
    layers = [module for module in begun.model(()).model.query.modules() if type(module).__name__ == "BertLayer"]
    assert len(layers) == LAYERS


def test_the_start_of_a_fusion_is_the_text_tower_that_it_was_given(fits: Fits, data: TrainingData) -> None:
    recipe = small("3tmm-prior")
    begun = pretrained_start(recipe, fits.towers_of(recipe))
    assert begun is not None and begun.words == "the text tower of minilm, without a photo"
    model = begun.model(()).model
    assert list(model.product.towers) == list(model.query.towers) == ["bibert"]
    minilm = fits.bundle("minilm")
    assert model.query.spec == minilm.query and model.product.spec == minilm.product


@pytest.mark.parametrize("name", ["bibert", "3tmm-mlp", "clip-small", "4tmm-joint"])
def test_other_fits_have_no_such_start(name: str, fits: Fits) -> None:
    recipe = small(name)
    assert pretrained_start(recipe, fits.towers_of(recipe)) is None
    assert pretrained_start(load_recipe("3tmm-prior"), {}) is None


@pytest.mark.parametrize(
    ("mine", "others", "stands"),
    [
        ([0.5] * 30, [0.5] * 30, "even"),
        ([0.4, 0.5] * 30, [0.6, 0.6] * 30, "behind"),
        ([0.7, 0.5] * 30, [0.6, 0.4] * 30, "ahead"),
        ([0.0, 1.0] * 10, [0.1, 1.0] * 10, "behind"),
        ([0.0, 1.0, 0.5], [1.0, 0.0, 1.0], "even"),  # a difference that chance alone makes
        ([0.0], [1.0], "even"),
    ],
)
def test_models_stand_to_each_other_beyond_chance(mine: list[float], others: list[float], stands: str) -> None:
    assert standing(recalls(mine), recalls(others)) == stands


def test_a_lead_at_one_depth_and_a_loss_at_the_other_are_even() -> None:
    mine = {10: np.array(BETTER), 100: np.array(WORSE)}
    others = {10: np.array(WORSE), 100: np.array(BETTER)}
    assert standing(mine, others) == "even"
    assert standing({**mine, 100: np.array(BETTER)}, others) == "ahead"  # even at 100, ahead at 10


@pytest.mark.parametrize(
    ("held_out", "catalog", "reason"),
    [
        ((BETTER, WORSE), (WORSE, BETTER), None),
        ((WORSE, BETTER), (BETTER, WORSE), "the fit finds less for held-out queries"),
        (
            (WORSE, WORSE),
            (WORSE, BETTER),
            "the fit finds no more for held-out queries, and less for queries made from the catalogue",
        ),
        ((WORSE, WORSE), (WORSE, WORSE), None),
        (
            (BETTER[:20], WORSE[:20]),
            (BETTER, WORSE),
            "20 held-out queries cannot show that the fit is better, 50 are needed",
        ),
    ],
)
def test_held_out_queries_decide_and_where_they_are_even_those_of_the_catalogue(
    held_out: tuple[list[float], list[float]], catalog: tuple[list[float], list[float]], reason: str | None
) -> None:
    assert reason_for_start([comparison(*held_out), replace(comparison(*catalog), key="catalog")]) == reason


def test_without_held_out_queries_the_start_is_kept(
    fitted: FittedModel, begun: PretrainedStart, data: TrainingData
) -> None:
    kept = keep_the_better(fitted, begun, replace(data, validation=None), seed=0)
    assert kept.model is not fitted.model and kept.metrics["start_kept"] == 1.0


def test_recalls_are_those_of_exact_search(fitted: FittedModel, begun: PretrainedStart, data: TrainingData) -> None:
    start = begun.model(()).encoders()
    found = {one.key: one for one in compare(fitted, start, data, seed=0)}
    held_out = validation_set(data.validation, data.catalog.rows_by_product_id())
    for depth in (10, 100):
        measured = found["held_out"]
        assert measured.start is not None
        for of_model, (query, product) in (
            (measured.model[depth], (fitted.query, fitted.product)),
            (measured.start[depth], start),
        ):
            scores = query.queries(held_out.queries) @ product.products(data.products).T
            nearest = np.argsort(-scores, axis=1)[:, :depth]
            expected = [np.isin(bought, row).mean() for bought, row in zip(held_out.bought, nearest, strict=True)]
            as_expected = np.isclose(of_model, expected, atol=1e-6)
            assert as_expected.mean() > 0.9  # all but those with a tie at the last place
    assert len(found["catalog"].model[100]) > 10
    assert found["catalog"].bm25[100].mean() > 0.9 > found["catalog"].model[10].mean()  # random weights find little


@pytest.mark.parametrize("is_lost", [False, True])
def test_the_start_is_kept_where_the_fit_lost(
    is_lost: bool,
    fitted: FittedModel,
    begun: PretrainedStart,
    data: TrainingData,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    decides = comparison(WORSE, BETTER) if is_lost else comparison(BETTER, WORSE)
    monkeypatch.setattr(start_check, "compare", lambda *_: [decides, replace(decides, key="catalog")])
    kept = keep_the_better(fitted, begun, data, seed=0)
    assert (kept.model is not fitted.model) == is_lost
    assert kept.query.side is kept.model.query
    assert kept.metrics.get("start_kept", 0.0) == float(is_lost)
    assert kept.metrics["held_out_recall_at_100"] == pytest.approx(0.25 if is_lost else 0.85)
    assert kept.metrics["catalog_start_recall_at_10"] == pytest.approx(0.85 if is_lost else 0.25)
    said = capsys.readouterr().out
    assert ("the start is kept, all layers as they were pretrained" in said) == is_lost
    assert "recall@10 and @100 on 100 held-out queries: " in said


def test_a_lead_of_bm25_is_said_with_what_to_do() -> None:
    assert bm25_is_ahead(comparison(BETTER, BETTER, WORSE)) is None
    assert bm25_is_ahead(comparison(BETTER, BETTER, BETTER)) is None
    said = bm25_is_ahead(comparison(WORSE, WORSE, BETTER))
    assert said is not None and said.startswith(
        "BM25 is significantly ahead on held-out queries, recall@10 85.0 for 25.0 and recall@100 85.0 for 25.0: "
        "a bundle holds vectors and cannot keep BM25"
    )


def test_without_a_start_a_fit_is_measured_against_bm25(fitted: FittedModel, data: TrainingData) -> None:
    kept = keep_the_better(fitted, None, replace(data, validation=None), seed=0)
    assert kept.model is fitted.model
    assert set(kept.metrics) == {f"catalog{it}_recall_at_{depth}" for it in ("", "_bm25") for depth in (10, 100)}


@pytest.mark.parametrize("name", ["minilm", "3tmm-prior"])
def test_without_pairs_a_fit_is_its_start(
    name: str, fits: Fits, data: TrainingData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert data.train is not None
    recipe = small(name)
    nothing = replace(data, train=data.train.slice(0, 0))
    request = FitRequest(recipe, nothing, fits.towers_of(recipe), tmp_path / name, fits.cache)
    with without_export():
        card = fit(request).card
    bundle = open_bundle(tmp_path / name)
    assert "too few pairs to train anything: the bundle holds the start" in capsys.readouterr().out
    assert card.origin.metrics["start_kept"] == 1.0 and not any("_start_" in key for key in card.origin.metrics)
    assert card.origin.recipe == recipe.model_dump(mode="json") and card.origin.clip_captions is None
    assert [tower.name for tower in bundle.product.towers] == ["bibert"] and not bundle.curves_folder.exists()
    assert card.prior is None if recipe.prior is None else not card.prior.kept  # type: ignore[union-attr]
    if name == "3tmm-prior":
        assert bundle.query == fits.bundle("minilm").query
