"""Titles of products without some of their words, from which a fusion learns what photos say, where there is no log.

Queries that are made from the words of a product (training/batches/shopper_queries.py) are answered by its title alone:
a fit to them would learn that photos say nothing, though shoppers also type what a title leaves out and the photo
shows. So a product is read in most of the steps by a title that lacks most of its words. The word that says what the
product is stays.

Both numbers below were chosen on a real shop (docs/experiments/2026-12-01-without-a-log.md).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from training.batches.columns_by_role import categories
from training.batches.fields import text_fields
from training.batches.title_words import TitleWords, words_of
from training.batches.training_data import TrainingData
from training.recipes.recipe import Recipe

if TYPE_CHECKING:
    from towers.side_encoder import Products

LEFT_OUT = 0.8  # probability with which a word of a title is left out
SHARE = 0.8  # of the products that a step reads by a shortened title
CHECKED_SHARE = 0.5  # of the products that are read by a shortened title in the check of a fit
VERSIONS = 2  # shortened titles of each product that a fit reads
_OF_CHECK = VERSIONS  # number of the version that a fit is checked with, which it never reads


def learns_photos_without_log(recipe: Recipe, data: TrainingData) -> bool:
    """Return whether a fit learns to fuse a text tower, which it does not train, with photos where there is no log."""
    learns = "fusion" in recipe.train and "bibert" not in recipe.train
    return data.made_from_catalog and learns and {"bibert", "clip"} <= {*recipe.product.towers}


def shortened_products(data: TrainingData, seed: int) -> list["Products"]:
    """Return the catalogue as often as a fit reads it with other shortened titles.

    Args:
        data: the catalogue.
        seed: decides which words are left out.
    """
    return [_shortened(data, (seed, version)) for version in range(VERSIONS)]


def partly_shortened_products(data: TrainingData, seed: int) -> "Products":
    """Return the catalogue with shortened titles for a share of its products, for the check of a fit."""
    shortened = _shortened(data, (seed, _OF_CHECK)).titles
    chosen = np.random.default_rng((seed, _OF_CHECK)).random(len(shortened)) < CHECKED_SHARE
    titles = [
        short if one else title for title, short, one in zip(data.products.titles, shortened, chosen, strict=True)
    ]
    return replace(data.products, titles=titles)


def shorten(titles: Sequence[str], kinds: Sequence[str | None], rng: np.random.Generator) -> list[str]:
    """Return titles of which each word but the kind is left out with the probability LEFT_OUT.

    Args:
        titles: the titles.
        kinds: the word of each that says what the product is, as `words_of` gives it; None where none does.
        rng: draws the words that are left out. A title of which nothing would be left stays as it is.
    """
    found = []
    for title, kind in zip(titles, kinds, strict=True):
        words = title.split()
        stays = rng.random(len(words)) >= LEFT_OUT
        kept = [word for word, stay in zip(words, stays, strict=True) if stay or kind in words_of(word)]
        found.append(" ".join(kept) or title)
    return found


def _shortened(data: TrainingData, seed: tuple[int, int]) -> "Products":
    titles = data.products.titles
    words = [words_of(title) for title in titles]
    known = TitleWords.of(words, categories(data.catalog.table, text_fields(data.catalog)))
    kinds = [known.kind(of_title) for of_title in words]
    return replace(data.products, titles=shorten(titles, kinds, np.random.default_rng(seed)))
