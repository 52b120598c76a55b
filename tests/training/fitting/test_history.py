"""Products' history in a fit: kept in the bundle where it wins, left out with a reason where it does not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from artifacts.bundle import PRODUCT_SIDE, ModelBundle
from artifacts.history import HISTORY_FILE, read_history
from tests.training.small_fits import Fits, fit_without_export
from tests.training.small_recipes import small
from towers.side_encoder import SideEncoder
from towers.storage import load_model
from towers.tokens import read_tokenizers
from training.batches.training_data import TrainingData
from training.fitting.cli import report_bundle
from training.fitting.request import FitRequest
from training.fitting.validation import VALIDATION_RECALL, held_out_set
from training.recipes.recipe import HistoryRecipe, PriorRecipe, Recipe, load_recipe

pytestmark = pytest.mark.integration

PAIR = ["query", "product_id"]


def shown_for(data: TrainingData, seed: int | None = None) -> TrainingData:
    """The shop, whose search showed what was bought, mostly for held-out queries; with a seed: what others bought."""
    assert data.train is not None and data.validation is not None
    bought = pa.concat_tables([data.train.select(PAIR), data.validation.select(PAIR)])
    products = bought["product_id"]
    if seed is not None:
        products = products.take(pa.array(np.random.default_rng(seed).permutation(len(products))))
    counts = [1] * len(data.train) + [10_000] * len(data.validation)
    impressions = pa.array(counts, pa.int64())
    return replace(data, shown=pa.table({"query": bought["query"], "product_id": products, "impressions": impressions}))


@pytest.fixture(scope="module", params=["3tmm-history", "4tmm-alpha-history"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def bundle(name: str, data: TrainingData, fits: Fits, tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return fit_on(shown_for(data), name, fits, tmp_path_factory.mktemp("history") / name)


def fit_on(data: TrainingData, name: str, fits: Fits, out: Path) -> ModelBundle:
    recipe = small(name)
    steps = 3 if recipe.train else None
    return fit_without_export(FitRequest(recipe, data, fits.towers_of(recipe), out, fits.cache, steps=steps))


def test_what_wins_is_in_the_bundle_and_in_its_recall(bundle: ModelBundle, data: TrainingData, fits: Fits) -> None:
    choice, held_out = bundle.card.history, held_out_set(data)
    assert choice is not None and choice.kept and choice.comparison is not None
    assert choice.comparison.queries == len(held_out.queries)
    assert choice.comparison.recall_at_100.low > 0 and choice.comparison.recall_at_10.high >= 0
    history = read_history(bundle.product_folder, bundle.product)
    assert history is not None and history.estimate is not None
    shown = shown_for(data).shown
    assert shown is not None and set(history.product_ids.to_pylist()) == set(shown["product_id"].to_pylist())
    model = load_model(bundle)
    queries = SideEncoder(model.query, read_tokenizers(bundle.query_folder, bundle.query)).queries(held_out.queries)
    plain = SideEncoder(model.product, read_tokenizers(bundle.product_folder, bundle.product), fits.cache).products(
        data.products
    )
    found = history.add_to(plain, data.products.product_ids)
    assert not np.allclose(found, plain, atol=1e-3)
    recall = float(held_out.recalls(queries, found).mean())
    assert bundle.card.origin.metrics[VALIDATION_RECALL] == pytest.approx(recall, abs=0.01)
    assert choice.comparison.recall_at_100.with_it == pytest.approx(recall, abs=0.01)


def test_a_fit_says_what_the_history_changes(bundle: ModelBundle, capsys: pytest.CaptureFixture[str]) -> None:
    report_bundle(bundle)
    assert bundle.card.history is not None
    assert f"\nproducts' history is part of the vectors: {bundle.card.history.reason}\n" in capsys.readouterr().out


def test_a_history_of_queries_that_do_not_fit_is_left_out(
    name: str, data: TrainingData, fits: Fits, tmp_path: Path
) -> None:
    bundle = fit_on(shown_for(data, seed=1), name, fits, tmp_path / "noise")
    choice = bundle.card.history
    assert choice is not None and not choice.kept and choice.comparison is not None
    assert not (bundle.path / PRODUCT_SIDE / HISTORY_FILE).exists()
    # The bundle is the model without it, with the alpha that is best without it.
    without = choice.comparison.recall_at_100.without
    assert bundle.card.origin.metrics[VALIDATION_RECALL] == pytest.approx(without, abs=1e-6)


def test_few_held_out_queries_decide_nothing(data: TrainingData, fits: Fits, tmp_path: Path) -> None:
    assert data.validation is not None
    few = data.validation.filter(pa.compute.is_in(data.validation["query"], pa.array(data.held_out_queries()[:7])))
    bundle = fit_on(replace(shown_for(data), validation=few), "4tmm-alpha-history", fits, tmp_path / "few")
    assert bundle.card.history is not None and not bundle.card.history.kept
    assert bundle.card.history.reason == "7 held-out queries are too few to choose it on, 50 are needed"


@pytest.mark.parametrize("wins", [True, False])
def test_a_history_of_what_was_bought_is_judged_with_popularity(
    wins: bool, data: TrainingData, fits: Fits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.fitting.history.wins", lambda comparison: wins)
    added = {
        "history": HistoryRecipe(of="bought", weight=0.2),
        "prior": PriorRecipe(weights=(0.05,), floors=(0.5,), most_loss=100.0),
    }
    recipe = small("bibert").model_copy(update=added)
    bundle = fit_without_export(FitRequest(recipe, data, {}, tmp_path / "bought", fits.cache, steps=1))
    choice, history = bundle.card.history, read_history(bundle.product_folder, bundle.product)
    assert choice is not None and choice.kept == wins and choice.reason.startswith("with popularity, on ")
    assert (history is not None) == wins
    if history is not None and data.train is not None:
        assert set(history.product_ids.to_pylist()) == set(data.train["product_id"].to_pylist())
        assert history.estimate is not None


def test_a_history_of_what_was_bought_needs_popularity() -> None:
    content = load_recipe("bibert").model_dump(exclude_none=True)
    with pytest.raises(ValueError, match="judged together with popularity"):
        Recipe.model_validate(content | {"history": {"of": "bought", "weight": 0.2}})
