"""What the towers of a fit read, by side."""

from collections.abc import Sequence
from pathlib import Path

from artifacts.side import ClipImageTowerSpec, TowerName
from towers.side_encoder import Products, SideEncoder
from training.batches.captions import caption_pairs
from training.batches.pairs import TrainingPairs, training_pairs
from training.batches.photo_store import decode_catalog
from training.batches.sources import FrozenVectors, Photos, Texts, TowerSource
from training.batches.training_data import TrainingData
from training.errors import RecipeError
from training.recipes.recipe import ClipRecipe, Recipe

Sources = dict[str, dict[str, TowerSource]]  # by side ("query", "product") and tower


def pairs_for(recipe: Recipe, data: TrainingData) -> TrainingPairs:
    """The pairs that a recipe is fitted to: captions for a CLIP from scratch, otherwise purchases.

    Raises:
        RecipeError: the recipe needs purchases and there is no log, or there are too few pairs.
    """
    rows = data.catalog.rows_by_product_id()
    if isinstance(recipe.clip, ClipRecipe):
        table, negatives = caption_pairs(data.catalog, data.train, recipe.clip.title_share), None
    elif data.train is not None:
        table, negatives = data.train, data.seen_negatives
    else:
        raise RecipeError(f"recipe {recipe.name} is fitted to purchases: prepare a data set from a search log first")
    assert recipe.optimisation is not None  # the recipe's own check
    if len(table) < recipe.optimisation.batch_size:
        raise RecipeError(
            f"recipe {recipe.name} has batch_size {recipe.optimisation.batch_size}, "
            f"but there are only {len(table)} pairs; lower it"
        )
    return training_pairs(table, negatives, rows)


def tower_sources(
    recipe: Recipe,
    query: SideEncoder,
    product: SideEncoder,
    queries: Sequence[str],
    products: Products,
    work: Path,
) -> Sources:
    """Where each tower's vectors come from during a fit: live if it is trained, otherwise encoded now.

    Args:
        recipe: says which towers are trained.
        query: the query side.
        product: the product side.
        queries: distinct training queries (or captions).
        products: the catalogue.
        work: where decoded photos may lie.
    """
    return {
        "query": {
            tower.name: _text_source(tower.name in recipe.train, query, tower.name, queries)
            for tower in query.side.spec.towers
        },
        "product": {
            tower.name: _photo_source(tower, tower.name in recipe.train, product, products, work)
            if isinstance(tower, ClipImageTowerSpec)
            else _text_source(tower.name in recipe.train, product, tower.name, products.titles)
            for tower in product.side.spec.towers
        },
    }


def _text_source(live: bool, encoder: SideEncoder, tower: TowerName, texts: Sequence[str]) -> TowerSource:
    if live:
        return Texts(encoder.tokenizers[tower], texts)
    return FrozenVectors(encoder.text_vectors(tower, texts))


def _photo_source(
    tower: ClipImageTowerSpec, live: bool, encoder: SideEncoder, products: Products, work: Path
) -> TowerSource:
    if live:
        return Photos(decode_catalog(products, tower.photo, work), tower.photo)
    return FrozenVectors(encoder.photo_vectors(products))
