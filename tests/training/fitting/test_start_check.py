"""A fit against its pretrained start."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.encoders import LAYERS, encoder_folder
from training.batches.training_data import TrainingData
from training.fitting import start_check
from training.fitting.fitted_model import FittedModel
from training.fitting.start_check import Comparison, compare, keep_the_better, start_of
from training.fitting.validation import validation_set
from training.model.start import starting_model
from training.recipes.recipe import Recipe, load_recipe


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    folder = encoder_folder(tmp_path_factory.mktemp("encoder") / "bert")
    content = load_recipe("minilm").model_dump(mode="json", exclude_defaults=True)
    return Recipe.model_validate(
        content | {"bibert": {"pretrained": str(folder), "layers": [0], "query_tokens": 12, "title_tokens": 12}}
    )


@pytest.fixture
def fitted(recipe: Recipe) -> FittedModel:
    start = starting_model(recipe, [], {}, ())
    with torch.no_grad():
        for parameter in start.model.query.parameters():
            parameter.add_(torch.randn_like(parameter))
    query, product = start.encoders()
    return FittedModel(start.model.eval(), start.tokenizers, query, product)


def comparison(fitted: Sequence[float], start: Sequence[float]) -> Comparison:
    return Comparison("held_out", "held-out queries", np.array(fitted), np.array(start))


def test_the_start_is_all_layers_as_they_were_pretrained(recipe: Recipe) -> None:
    start = start_of(recipe)
    assert start is not None and start.train == () and start.optimisation is None
    model = starting_model(start, [], {}, ()).model
    layers = [module for module in model.query.modules() if type(module).__name__ == "BertLayer"]
    assert len(layers) == LAYERS


@pytest.mark.parametrize("name", ["bibert", "3tmm-mlp", "3tmm-prior", "clip-small", "4tmm-joint"])
def test_other_fits_have_no_such_start(name: str) -> None:
    assert start_of(load_recipe(name)) is None


@pytest.mark.parametrize(
    ("fitted", "start", "lost"),
    [
        ([0.5] * 30, [0.5] * 30, False),
        ([0.4, 0.5] * 30, [0.6, 0.6] * 30, True),
        ([0.7, 0.5] * 30, [0.6, 0.4] * 30, False),
        ([0.0, 1.0] * 10, [0.1, 1.0] * 10, True),
        ([0.0, 1.0, 0.5], [1.0, 0.0, 1.0], False),  # a difference that chance alone makes
        ([0.0], [1.0], False),
    ],
)
def test_a_fit_is_lost_only_beyond_chance(fitted: list[float], start: list[float], lost: bool) -> None:
    assert comparison(fitted, start).is_lost == lost


def test_recalls_are_those_of_exact_search(fitted: FittedModel, recipe: Recipe, data: TrainingData) -> None:
    start_recipe = start_of(recipe)
    assert start_recipe is not None
    start = starting_model(start_recipe, [], {}, ())
    found = {one.key: one for one in compare(fitted, start, data, seed=0)}
    held_out = validation_set(data.validation, data.catalog.rows_by_product_id())
    for recalls, (query, product) in (
        (found["held_out"].fitted, (fitted.query, fitted.product)),
        (found["held_out"].start, start.encoders()),
    ):
        scores = query.queries(held_out.queries) @ product.products(data.products).T
        nearest = np.argsort(-scores, axis=1)[:, :100]
        expected = [np.isin(bought, row).mean() for bought, row in zip(held_out.bought, nearest, strict=True)]
        as_expected = np.isclose(recalls, expected, atol=1e-6)
        assert as_expected.mean() > 0.9  # all but those with a tie at the hundredth place
    assert len(found["catalog"].fitted) > 20


@pytest.mark.parametrize("is_lost", [False, True])
def test_the_start_is_kept_where_the_fit_lost(
    is_lost: bool, fitted: FittedModel, recipe: Recipe, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    worse, better = [0.2, 0.3] * 20, [0.8, 0.9] * 20
    decides = comparison(worse, better) if is_lost else comparison(better, worse)
    monkeypatch.setattr(start_check, "compare", lambda *_: [decides, replace(decides, key="catalog")])
    kept = keep_the_better(fitted, recipe, data, seed=0)
    assert (kept.model is not fitted.model) == is_lost
    assert kept.query.side is kept.model.query
    assert kept.metrics.get("start_kept", 0.0) == float(is_lost)
    assert kept.metrics["held_out_recall_at_100"] == pytest.approx(0.25 if is_lost else 0.85)
    assert kept.metrics["catalog_start_recall_at_100"] == pytest.approx(0.85 if is_lost else 0.25)


def test_queries_of_the_catalogue_decide_without_a_log(fitted: FittedModel, recipe: Recipe, data: TrainingData) -> None:
    start_recipe = start_of(recipe)
    assert start_recipe is not None
    found = compare(fitted, starting_model(start_recipe, [], {}, ()), replace(data, validation=None), seed=0)
    assert [one.key for one in found] == ["catalog"]
