"""Fits on a data set that is made from a catalogue alone, and fits that go on from them when a log has come."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.catalog import Catalog
from artifacts.tower_specs import TowerName
from tests.training.small_fits import Fits, fit_without_export
from tests.training.small_recipes import small
from towers.vector_cache import VectorCache
from training.batches.inputs import pairs_for
from training.batches.pair_tables import count_pairs, pair_tables
from training.batches.shortened_titles import partly_shortened_products
from training.batches.training_data import TrainingData
from training.errors import RecipeError
from training.fitting.data_checks import check_data
from training.fitting.fitted_model import FittedModel
from training.fitting.preflight import check_request
from training.fitting.pretrained_start import pretrained_start, untrained
from training.fitting.request import FitRequest
from training.fitting.start_check import compare
from training.fitting.validation import validation_set
from training.model.start import starting_model
from training.recipes.recipe import Recipe, load_recipe
from training.recipes.towers import PretrainedClipRecipe


def request(
    recipe: Recipe, data: TrainingData, folder: Path, fitted: dict[TowerName, ModelBundle] | None = None
) -> FitRequest:
    return FitRequest(recipe, data, fitted or {}, folder / recipe.name, VectorCache(folder / "vectors"), steps=2)


def without_photos(data: TrainingData) -> TrainingData:
    table = data.catalog.table
    place = table.schema.get_field_index("image")
    urls = pa.array([f"https://cdn.example/{row}.jpg" for row in range(len(table))], pa.string())
    return replace(data, catalog=Catalog(data.catalog.path, table.set_column(place, "image", urls)))


@pytest.fixture(scope="module")
def text(data_without_log: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """A text tower that was fitted without a log, by a recipe that asks for what only a log gives."""
    content = small("minilm").model_dump()
    recipe = Recipe.model_validate({**content, "name": "text", "history": {"weight": 0.5}, "prior": {}})
    return fit_without_export(request(recipe, data_without_log, tmp_path_factory.mktemp("text")))


def test_a_text_tower_is_checked_on_the_made_queries_alone(text: ModelBundle, data_without_log: TrainingData) -> None:
    metrics = text.card.origin.metrics
    assert {"held_out_recall_at_100", "held_out_start_recall_at_100", "held_out_bm25_recall_at_100"} <= set(metrics)
    assert not any(name.startswith("catalog_") for name in metrics)
    assert text.held_out_queries() == data_without_log.held_out_queries()


def test_popularity_and_history_are_left_out(text: ModelBundle) -> None:
    prior, history = text.card.prior, text.card.history
    assert prior is not None and not prior.kept and prior.reason == "the data set has no purchases"
    assert history is not None and not history.kept and "no log" in history.reason


def test_the_made_queries_are_all_pairs_and_near_products_stand_together(data_without_log: TrainingData) -> None:
    recipe = load_recipe("minilm")  # which adds made queries to those of a log
    assert data_without_log.train is not None
    assert len(pair_tables(recipe, data_without_log, (), 0).pairs) == count_pairs(recipe, data_without_log)
    assert count_pairs(recipe, data_without_log) == len(data_without_log.train)
    categories = pairs_for(recipe, data_without_log).categories
    assert categories is not None and len({*categories.tolist()}) > 3


def test_a_clip_learns_titles_of_products_that_are_not_held_out(data_without_log: TrainingData) -> None:
    pairs = pair_tables(load_recipe("clip-small"), data_without_log, (), 0).pairs
    assert {*pairs["query"].to_pylist()} <= {*data_without_log.catalog.titles}
    assert not {*pairs["product_id"].to_pylist()} & data_without_log.held_out_products()
    assert data_without_log.held_out_products()


def test_without_a_usable_photo_a_fusion_is_its_text_tower(
    text: ModelBundle, data_without_log: TrainingData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = small("3tmm-prior")  # no CLIP is asked for
    bundle = fit_without_export(request(recipe, without_photos(data_without_log), tmp_path, {"bibert": text}))
    assert "no product has a photo that can be used (240 url), so that the search is by text alone" in (
        capsys.readouterr().out
    )
    assert open_bundle(bundle.path).product == text.product and bundle.card.origin.metrics["start_kept"] == 1.0


def test_what_a_photo_adds_is_measured_with_shortened_titles(
    text: ModelBundle, fits: Fits, data_without_log: TrainingData
) -> None:
    recipe = small("3tmm-prior")
    towers = {"bibert": text, "clip": fits.towers_of(recipe)["clip"]}
    begun = pretrained_start(recipe, towers)
    assert begun is not None
    fused, alone = starting_model(recipe, [], towers, ()), begun.model(())
    fused.model.eval()
    encoders = fused.encoders()
    fitted = FittedModel(fused.model, fused.tokenizers, *encoders)
    (found,) = compare(fitted, alone.encoders(), data_without_log, seed=0)
    assert found.queries == "held-out queries made from the catalogue, half of whose titles are shortened"
    (whole,) = compare(FittedModel(alone.model, alone.tokenizers, *alone.encoders()), None, data_without_log, seed=0)
    assert found.bm25[100].mean() < whole.bm25[100].mean()  # words that are left out are not found
    held_out = validation_set(data_without_log.validation, data_without_log.catalog.rows_by_product_id())
    read = partly_shortened_products(data_without_log, 0)
    expected = held_out.recalls_at((10,), encoders[0].queries(held_out.queries), encoders[1].products(read))
    assert found.model[10].tolist() == expected[10].tolist()


def test_a_clip_is_refused_where_no_photo_can_be_used(data_without_log: TrainingData) -> None:
    check_data(load_recipe("clip-small"), data_without_log)
    with pytest.raises(RecipeError, match=r"recipe clip-small reads photos, and no product of .* can be used: 240 url"):
        check_data(load_recipe("clip-small"), without_photos(data_without_log))


def test_a_pretrained_clip_is_taken_where_no_photo_can_be_used_in_training(data_without_log: TrainingData) -> None:
    pretrained = PretrainedClipRecipe(pretrained="hf-hub:owner/name")
    check_data(load_recipe("clip").model_copy(update={"clip": pretrained}), without_photos(data_without_log))


def test_a_fit_on_a_log_starts_from_the_bundle_that_had_none(
    text: ModelBundle, data: TrainingData, tmp_path: Path
) -> None:
    recipe = small("minilm").over_fitted("bibert")
    asked = request(recipe, data, tmp_path, {"bibert": text})
    check_request(asked)
    assert untrained(asked) is None
    begun = pretrained_start(recipe, asked.fitted)
    assert begun is not None and begun.words == "the text tower of text"
    assert begun.model(()).model.query.spec == text.query
    assert fit_without_export(asked).product.fields == text.product.fields


def test_only_towers_that_a_recipe_makes_and_trains_are_taken_from_a_bundle() -> None:
    for name in ("4tmm-mlp", "4tmm-joint", "clip-small"):
        assert load_recipe(name).over_fitted("bibert") == load_recipe(name)
    content = load_recipe("minilm").model_dump()
    content["bibert"]["lora"] = {"rank": 4}
    with pytest.raises(RecipeError, match=r"trains adapters \(lora\) of its own bibert; leave --bibert out"):
        Recipe.model_validate(content).over_fitted("bibert")
