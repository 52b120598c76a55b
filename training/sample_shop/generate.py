"""Generate a sample shop: a folder with a catalogue, photos, a search log and judgments."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artifacts.atomic import new_folder
from training.sample_shop import tables
from training.sample_shop.catalogue import COLOUR, PATTERN, TERMS, TYPE, Products
from training.sample_shop.drawing.photo import product_photo
from training.sample_shop.judging import Judgments, judge
from training.sample_shop.product_types import PRODUCT_TYPES
from training.sample_shop.randomness import Purpose, generator
from training.sample_shop.readme import README_FILE, README_HEADING, readme
from training.sample_shop.result_lists import Impressions
from training.sample_shop.shoppers import Shoppers, draw_shoppers, own_searches
from training.sample_shop.simulation import NOT_SHOWN, PURCHASE, Events
from training.sample_shop.summary import ShopSummary
from training.sample_shop.training_judgments import judge_training_queries

MIN_PRODUCTS = 240  # with fewer, some product types would have a single product
_JPEG_QUALITY = 90


@dataclass(frozen=True)
class _Log:
    """What is shown and what happens in the sessions, and the judgments."""

    shown: Impressions
    events: Events
    judgments: Judgments
    training_judgments: Judgments


def generate_sample_shop(
    out: Path, products: int, seed: int, progress: Callable[[int], None] | None = None
) -> ShopSummary:
    """Write a sample shop; the same arguments give the same shop.

    Args:
        out: folder to write. It appears when it is complete; an earlier sample shop is replaced.
        products: number of products, at least MIN_PRODUCTS.
        seed: seed of all random draws, 0 or more.
        progress: called with the number of photos drawn since its last call, which adds up to `products`
            (products without a photo count as drawn).

    Raises:
        ValueError: an argument is out of range, or `out` is not empty and no sample shop.
    """
    _check(out, products, seed)
    shoppers = draw_shoppers(products, seed)
    catalogue, queries = shoppers.catalogue, shoppers.queries
    ids = tables.product_ids(products)
    log = _play(shoppers, seed)
    summary = _summary(shoppers, log)
    with new_folder(out, overwrite=True) as folder:
        _draw_photos(folder, catalogue, ids, seed, progress)
        tables.write_catalog(folder, catalogue, ids, shoppers.titles)
        tables.write_attributes(folder, catalogue, ids)
        tables.write_intents(folder, queries)
        tables.write_interactions(folder, queries, log.events, ids)
        tables.write_judgments(folder, queries, log.judgments, ids)
        tables.write_training_judgments(folder, queries, log.training_judgments, ids)
        (folder / README_FILE).write_text(readme(summary, seed), encoding="utf-8")
    return summary


def _check(out: Path, products: int, seed: int) -> None:
    """Raise ValueError if an argument cannot be used."""
    if products < MIN_PRODUCTS:
        raise ValueError(f"A sample shop cannot have {products} products; ask for {MIN_PRODUCTS} or more.")
    if seed < 0:
        raise ValueError(f"The seed cannot be {seed}; choose 0 or a positive number.")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; name a folder that does not exist yet.")
    if out.is_dir() and any(out.iterdir()) and not _is_sample_shop(out):
        raise ValueError(f"{out} holds files that are not a sample shop; name an empty or new folder.")


def _is_sample_shop(folder: Path) -> bool:
    """Return whether the folder is a sample shop, which the first line of its README shows."""
    path = folder / README_FILE
    return path.is_file() and path.read_text(encoding="utf-8", errors="replace").startswith(README_HEADING)


def _play(shoppers: Shoppers, seed: int) -> _Log:
    """Let the shoppers search, and judge their queries."""
    catalogue, rule, queries, sessions = shoppers.catalogue, shoppers.rule, shoppers.queries, shoppers.sessions
    shown, events = own_searches(shoppers, seed)
    judged = judge(rule, queries, sessions, events, len(catalogue), generator(seed, Purpose.JUDGING))
    rng = generator(seed, Purpose.JUDGING_TRAINING)
    judged_training = judge_training_queries(catalogue, rule, queries, sessions, events, rng)
    return _Log(shown, events, judged, judged_training)


def _draw_photos(
    folder: Path, catalogue: Products, ids: list[str], seed: int, progress: Callable[[int], None] | None
) -> None:
    """Draw and save the photo of every product that has one."""
    (folder / tables.IMAGES_FOLDER).mkdir()
    for row, attributes in enumerate(catalogue.attributes):
        if catalogue.has_photo[row]:
            photo = product_photo(
                PRODUCT_TYPES[int(attributes[TYPE])],
                TERMS[COLOUR][int(attributes[COLOUR])].name,
                TERMS[PATTERN][int(attributes[PATTERN])].name,
                generator(seed, Purpose.PHOTO, row),
            )
            photo.save(folder / tables.image_path(ids[row]), quality=_JPEG_QUALITY)
        if progress is not None:
            progress(1)


def _summary(shoppers: Shoppers, log: _Log) -> ShopSummary:
    catalogue = shoppers.catalogue
    is_purchase = log.events.event == PURCHASE
    exact, substitutes, complements, irrelevant = np.bincount(log.shown.grade, minlength=4).tolist()
    return ShopSummary(
        products=len(catalogue),
        products_without_photo=int(np.count_nonzero(~catalogue.has_photo)),
        distinct_queries=len(shoppers.queries.texts),
        sessions=len(np.unique(log.events.session)),
        interaction_rows=len(log.events.event),
        shown_by_grade=(exact, substitutes, complements, irrelevant),
        purchases=int(np.count_nonzero(is_purchase)),
        purchases_not_shown=int(np.count_nonzero(is_purchase & (log.events.position == NOT_SHOWN))),
        judged_queries=log.judgments.judged_queries,
        judgment_rows=len(log.judgments.query),
        training_judged_queries=log.training_judgments.judged_queries,
        training_judgment_rows=len(log.training_judgments.query),
    )
