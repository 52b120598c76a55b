"""The pairs that recipes are fitted to."""

from dataclasses import replace

import pytest

from training.batches.catalog_queries import check_queries, most_training_queries
from training.batches.pair_tables import count_pairs, pair_tables
from training.batches.training_data import TrainingData
from training.errors import RecipeError
from training.recipes.recipe import Recipe, load_recipe


def _with_catalog_queries(each: int) -> Recipe:
    content = load_recipe("bibert").model_dump()
    content["optimisation"]["catalog_queries"] = each
    return Recipe.model_validate(content)


def test_queries_of_the_catalogue_follow_those_of_the_log(data: TrainingData) -> None:
    assert data.train is not None
    recipe = _with_catalog_queries(2)
    pairs = pair_tables(recipe, data, ("category",), seed=5).pairs
    assert len(pairs) == count_pairs(recipe, data)  # every product of the shop has a title
    assert len(pairs) - len(data.train) == most_training_queries(len(data.catalog.table), 2)
    assert pairs.slice(0, len(data.train)).equals(data.train.select(["query", "product_id"]))
    made = pairs.slice(len(data.train))
    checked = check_queries(data.catalog.table, ("category",), 5)["product_id"].to_pylist()
    assert not set(checked) & set(made["product_id"].to_pylist())
    categories = {value.lower() for value in data.catalog.table["category"].to_pylist()}
    assert any(query.startswith(value) for query in made["query"].to_pylist() for value in categories)


def test_without_them_the_log_alone_is_fitted(data: TrainingData) -> None:
    assert pair_tables(load_recipe("bibert"), data, (), seed=5).pairs is data.train


def test_a_fit_still_needs_a_log(data: TrainingData) -> None:
    with pytest.raises(RecipeError, match="is fitted to purchases"):
        pair_tables(_with_catalog_queries(1), replace(data, train=None), (), seed=0)


def test_only_recipes_that_read_words_of_products_make_queries() -> None:
    content = load_recipe("clip-small").model_dump()
    content["optimisation"]["catalog_queries"] = 1
    with pytest.raises(ValueError, match="the product side has no bibert"):
        Recipe.model_validate(content)
