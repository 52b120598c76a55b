"""Popularity in a fit: kept in the bundle where it wins, left out with a reason where it does not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from artifacts.bundle import PRODUCT_SIDE, ModelBundle
from artifacts.history import read_history
from artifacts.popularity import POPULARITY_FILE, PriorColumns, read_priors
from tests.training.small_fits import Fits, fit_without_export
from tests.training.small_recipes import small
from towers.side_encoder import SideEncoder
from towers.storage import load_model
from towers.tokens import read_tokenizers
from training.batches.training_data import TrainingData
from training.fitting.cli import report_bundle
from training.fitting.popularity import RECALL_WITHOUT, purchases_by_row
from training.fitting.request import FitRequest
from training.fitting.validation import VALIDATION_RECALL, validation_set
from training.recipes.recipe import PriorRecipe, Recipe

PRIOR = PriorRecipe(weights=(0.05, 0.1), floors=(0.0, 0.5), most_loss=100.0)
STEPS = 5


@pytest.fixture(scope="module")
def popular(data: TrainingData) -> TrainingData:
    """The shop, where for held-out queries only 20 products are bought, whatever the query, which sold best before."""
    assert data.train is not None and data.validation is not None
    best = data.train["product_id"].unique().to_pylist()[:20]
    purchases = [400 if product_id in best else 1 for product_id in data.train["product_id"].to_pylist()]
    validation = pa.table(
        {
            "query": data.held_out_queries(),
            "product_id": [best[place % 20] for place in range(len(data.held_out_queries()))],
            "purchases": pa.array([1] * len(data.held_out_queries()), pa.int64()),
        }
    )
    train = data.train.set_column(2, "purchases", pa.array(purchases, pa.int64()))
    return replace(data, train=train, validation=validation)


def with_prior(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"prior": PRIOR})


@pytest.fixture(scope="module")
def bundle(popular: TrainingData, fits: Fits, tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    request = FitRequest(
        with_prior(small("bibert")), popular, {}, tmp_path_factory.mktemp("prior") / "b", fits.cache, steps=STEPS
    )
    return fit_without_export(request)


def test_what_wins_is_part_of_the_vectors(bundle: ModelBundle, popular: TrainingData) -> None:
    card = bundle.card
    assert card.prior is not None and card.prior.kept and card.prior.comparison is not None
    assert (card.width, bundle.product.width) == (40, 32) and bundle.query.prior is not None
    priors = read_priors(bundle.product_folder, bundle.query)
    assert priors is not None
    sold = purchases_by_row(popular, popular.catalog.rows_by_product_id())
    bought = [product_id for product_id, count in zip(popular.catalog.product_ids, sold, strict=True) if count]
    assert priors.product_ids.to_pylist() == bought
    most = max(zip(sold[sold > 0].tolist(), priors.values.tolist(), strict=True))
    assert most[1] == priors.values.max() and np.abs(priors.values).max() <= priors.columns.reach <= 0.25

    model = load_model(bundle)
    held_out = validation_set(popular.validation, popular.catalog.rows_by_product_id())
    queries = SideEncoder(model.query, read_tokenizers(bundle.query_folder, bundle.query)).queries(held_out.queries)
    product = SideEncoder(model.product, read_tokenizers(bundle.product_folder, bundle.product))
    columns = PriorColumns.of(bundle.query)
    assert columns is not None
    found = held_out.recalls(queries, replace(product, priors=priors).products(popular.products)).mean()
    without = held_out.recalls(columns.content_of(queries), product.products(popular.products)).mean()
    metrics = card.origin.metrics
    assert (metrics[VALIDATION_RECALL], metrics[RECALL_WITHOUT]) == pytest.approx((found, without))
    assert found > without


def test_a_fit_says_what_popularity_changes(bundle: ModelBundle, capsys: pytest.CaptureFixture[str]) -> None:
    report_bundle(bundle)
    assert bundle.card.prior is not None
    assert f"\npopularity is part of the vectors: {bundle.card.prior.reason}\n" in capsys.readouterr().out


def test_without_a_log_of_use_there_is_none(data: TrainingData, fits: Fits, tmp_path: Path) -> None:
    assert data.validation is not None
    queries = data.held_out_queries()[:7]
    few = replace(
        data, validation=data.validation.filter(pa.compute.is_in(data.validation["query"], pa.array(queries)))
    )
    request = FitRequest(with_prior(small("bibert")), few, {}, tmp_path / "few", fits.cache, steps=1)
    bundle = fit_without_export(request)
    assert bundle.card.prior is not None and not bundle.card.prior.kept
    assert bundle.card.prior.reason == "7 held-out queries are too few to choose it on, 50 are needed"
    assert bundle.query.prior is None and bundle.card.width == 32
    assert not (bundle.path / PRODUCT_SIDE / POPULARITY_FILE).exists()


def test_it_goes_with_a_history_and_with_alpha(
    popular: TrainingData, fits: Fits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Here a history that wins would find everything and leave nothing to popularity, so that one is kept regardless.
    monkeypatch.setattr("training.fitting.history.wins", lambda comparison: True)
    recipe = with_prior(small("4tmm-alpha-history"))
    request = FitRequest(recipe, popular, fits.towers_of(recipe), tmp_path / "all", fits.cache)
    bundle = fit_without_export(request)
    assert bundle.card.history is not None and bundle.card.history.kept
    assert bundle.card.prior is not None and bundle.card.prior.kept
    assert bundle.card.origin.recipe == recipe.model_dump(mode="json")
    assert bundle.query.prior is not None and bundle.query.width == bundle.product.width + bundle.query.prior.columns
    assert read_history(bundle.product_folder, bundle.product) is not None
    assert "alpha" in bundle.card.origin.metrics and RECALL_WITHOUT in bundle.card.origin.metrics


def test_a_recipe_names_what_to_choose_from() -> None:
    with pytest.raises(ValueError, match="at least one number"):
        PriorRecipe(weights=())
    with pytest.raises(ValueError, match="limit"):
        PriorRecipe(limit=0.5)
