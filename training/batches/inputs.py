"""The inputs of a fit: its pairs as numbers, and what each tower reads of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from artifacts.tower_specs import ClipImageTowerSpec, FieldNames, TowerName
from towers.side_encoder import Products, SideEncoder
from training.batches.columns_by_role import categories
from training.batches.fields import text_fields
from training.batches.judged import Judged, JudgedSource, judged_queries, split_judged
from training.batches.pair_tables import pair_tables
from training.batches.pairs import Integers, TrainingPairs, training_pairs
from training.batches.photo_store import decode_catalog
from training.batches.shortened_titles import SHARE
from training.batches.sources import (
    FieldTexts,
    FrozenVectors,
    Photos,
    RewordedTexts,
    Texts,
    TowerSource,
    VaryingVectors,
)
from training.batches.training_data import TrainingData
from training.recipes.recipe import Recipe

Sources = dict[str, dict[str, TowerSource]]  # by side ("query", "product") and tower


def pairs_for(recipe: Recipe, data: TrainingData, fields: FieldNames = (), seed: int = 0) -> TrainingPairs:
    """Return the numbered pairs that a recipe is fitted to; see `pair_tables` for arguments and errors raised."""
    tables = pair_tables(recipe, data, fields, seed)
    numbered = training_pairs(tables.pairs, tables.seen_negatives, data.catalog.rows_by_product_id())
    return replace(numbered, categories=_categories(data, numbered)) if data.made_from_catalog else numbered


def _categories(data: TrainingData, pairs: TrainingPairs) -> Integers:
    """Return the number of the category of each pair's product; products without one share a number."""
    found = pa.array(categories(data.catalog.table, text_fields(data.catalog)), pa.string())
    numbers: Integers = found.dictionary_encode().indices.fill_null(-1).to_numpy().astype(np.int64)
    of_pairs: Integers = numbers[pairs.product_of_pair]
    return of_pairs


def judged_source(recipe: Recipe, data: TrainingData, queries: list[str]) -> JudgedSource | None:
    """Return where batches have their judged products from; None where a recipe or a shop has no labels to learn from.

    Args:
        recipe: says how many products are drawn.
        data: the catalogue, the labels and the held-out queries.
        queries: the numbered training queries; judged queries that are not among them are added at their end.
    """
    chosen = recipe.optimisation.judgments if recipe.optimisation else None
    if chosen is None or data.judgments is None:
        return None
    judged, _ = _judged(recipe, data)
    if not judged:
        return None
    numbers = {query: number for number, query in enumerate(queries)}
    for query in judged:
        if query not in numbers:
            numbers[query] = len(queries)
            queries.append(query)
    places = np.array([numbers[query] for query in judged], dtype=np.int64)
    return JudgedSource(places, list(judged.values()), chosen.queries, chosen.products)


def held_back_labels(recipe: Recipe, data: TrainingData) -> dict[str, Judged]:
    """Return the judged queries that a recipe's fit does not learn from, since it chooses by them; none without any."""
    return _judged(recipe, data)[1]


def _judged(recipe: Recipe, data: TrainingData) -> tuple[dict[str, Judged], dict[str, Judged]]:
    """Return the judged queries that a recipe is fitted to, and those that are held back."""
    if not recipe.learns_from_judgments or data.judgments is None:
        return {}, {}
    rows = data.catalog.rows_by_product_id()
    judged = judged_queries(data.judgments.labels, rows, data.held_out_queries())
    return split_judged(judged) if recipe.prior else (judged, {})


def tower_sources(
    recipe: Recipe,
    query: SideEncoder,
    product: SideEncoder,
    queries: Sequence[str],
    products: Products,
    work: Path,
    shortened: Sequence[Products] = (),
) -> Sources:
    """Return where each tower's vectors come from during a fit.

    A trained tower encodes its texts or photos in every step; the vectors of a frozen one are encoded now.

    Args:
        recipe: says which towers are trained.
        query: encoder of the query side.
        product: encoder of the product side.
        queries: distinct training queries (or captions).
        products: the catalogue.
        work: folder for decoded photos.
        shortened: the catalogue with shortened titles, by which a frozen text tower reads some products in each step.
    """
    reworded = recipe.optimisation.reworded_queries if recipe.optimisation else 0.0
    return {
        "query": {
            tower.name: _query_source(tower.name in recipe.train, query, tower.name, queries, reworded)
            for tower in query.side.spec.towers
        },
        "product": {
            tower.name: _photo_source(tower, tower.name in recipe.train, product, products, work)
            if isinstance(tower, ClipImageTowerSpec)
            else _product_text_source(recipe, product, tower.name, products, shortened)
            for tower in product.side.spec.towers
        },
    }


def _query_source(
    trained: bool, encoder: SideEncoder, tower: TowerName, texts: Sequence[str], reworded: float
) -> TowerSource:
    if not trained:
        return FrozenVectors(encoder.text_vectors(tower, texts))
    tokenizer = encoder.tokenizers[tower]
    return RewordedTexts(tokenizer, texts, reworded) if reworded else Texts(tokenizer, texts)


def _product_text_source(
    recipe: Recipe, encoder: SideEncoder, tower: TowerName, products: Products, shortened: Sequence[Products]
) -> TowerSource:
    if tower not in recipe.train:
        whole, *others = (encoder.product_text_vectors(tower, version) for version in (products, *shortened))
        return VaryingVectors(whole, others, SHARE) if others else FrozenVectors(whole)
    assert recipe.optimisation is not None  # the recipe's own check
    tokenizer, dropout = encoder.tokenizers[tower], recipe.optimisation.field_dropout
    if dropout and tokenizer.text.fields:
        return FieldTexts(tokenizer, products.text_parts(tokenizer.text.fields), dropout)
    return Texts(tokenizer, products.texts(tokenizer.text.fields))


def _photo_source(
    tower: ClipImageTowerSpec, trained: bool, encoder: SideEncoder, products: Products, work: Path
) -> TowerSource:
    if trained:
        return Photos(decode_catalog(products, tower.photo, work), tower.photo)
    return FrozenVectors(encoder.photo_vectors(products))
