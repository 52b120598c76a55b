"""The captions of photos, on which a CLIP is trained."""

from collections.abc import Collection

import pyarrow as pa

from artifacts.bundle import ClipCaptions, ModelBundle
from artifacts.catalog import Catalog
from towers.photos import is_url
from training.recipes.recipe import Recipe
from training.recipes.towers import ClipRecipe


def caption_pairs(
    catalog: Catalog, bought: pa.Table | None, title_share: float, without: Collection[str] = ()
) -> pa.Table:
    """Return captions of products: titles and, where there is a log, the queries for which the product was bought.

    Args:
        catalog: the products; those without a title or without a photo that is a file get no caption, since a fit reads
            no photos from URLs.
        bought: query, product_id of the training window; None without a log.
        title_share: the share of titles among the captions, where there are queries too; each title is
            repeated as often as comes nearest to it, between 1 and 100 times. With 1 there are titles alone.
        without: products that get no caption, since they are held out.

    Returns:
        query (the caption), product_id.
    """
    rows = [
        (title, product_id)
        for title, product_id, image in zip(catalog.titles, catalog.product_ids, catalog.images, strict=True)
        if title.strip() and image and not is_url(image) and product_id not in without
    ]
    titles = pa.table(
        {
            "query": pa.array([title for title, _ in rows], pa.string()),
            "product_id": pa.array([product_id for _, product_id in rows], pa.string()),
        }
    )
    if bought is None or title_share == 1:
        return titles
    with_photo = {product_id for _, product_id in rows}
    keep = pa.array([product_id in with_photo for product_id in bought["product_id"].to_pylist()], pa.bool_())
    queries = bought.select(["query", "product_id"]).filter(keep)
    wanted = title_share / (1 - title_share) * len(queries)
    repeats = max(1, round(min(wanted / max(1, len(titles)), 100)))
    return pa.concat_tables([*[titles] * repeats, queries])


def caption_kind(recipe: Recipe, bought: pa.Table | None, clip: ModelBundle | None) -> ClipCaptions | None:
    """Return what the CLIP of a recipe is trained on; None without a CLIP, and where it is not known.

    Args:
        recipe: the recipe of the model.
        bought: query, product_id of the training window; None without a log.
        clip: the bundle that the CLIP is taken from; None if it is from none.
    """
    if isinstance(recipe.clip, ClipRecipe):
        return "titles" if not bought or recipe.clip.title_share == 1 else "purchases"
    if "clip" in recipe.train:  # a CLIP from elsewhere, tuned on queries and what they bought
        return "purchases"
    return clip.card.origin.clip_captions if clip else None
