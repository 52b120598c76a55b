"""The search log of a generation: the sample shop's shoppers in front of its own engine, or of a fitted model.

interactions.parquet      the log: what the engine shows in the training months, and the evaluation month of the shop
log.json                  a GenerationLog (training/generations/log_record.py)

The evaluation month is row for row that of the shop's own log, whatever shows the training months. The shoppers, their
queries and what they would buy without a list are the same for every engine.
"""

from dataclasses import fields
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from artifacts.atomic import new_folder
from artifacts.bundle import open_bundle
from artifacts.catalog import Catalog, read_catalog
from artifacts.records import write_record
from training.errors import ExperimentError
from training.generations.log_record import LOG_FILE, GenerationLog
from training.generations.model_engine import ModelEngine
from training.sample_shop import MIN_PRODUCTS, tables
from training.sample_shop.labels import EXACT
from training.sample_shop.list_purchases import buy_from_lists
from training.sample_shop.purchases import Purchases
from training.sample_shop.randomness import Purpose, generator
from training.sample_shop.result_lists import Impressions, show_results
from training.sample_shop.shoppers import Shoppers, draw_shoppers, own_searches
from training.sample_shop.simulation import NOT_SHOWN, PURCHASE, Events, look_at_results, simulate

Table = TypeVar("Table", Purchases, Impressions, Events)


def write_log(shop: Path, model: Path | None, out: Path, from_list: float, seed: int) -> GenerationLog:
    """Write the log of a generation.

    Args:
        shop: a sample shop.
        model: the bundle that shows the lists; None: the shop's own engine.
        out: folder to write; it must not exist.
        from_list: share of the purchases of the training months that are made from the list.
        seed: the seed of the shop.

    Raises:
        ExperimentError: the shop is none, or was made with another seed.
        ArtifactError: the bundle or the shop's catalogue cannot be read.
        FileExistsError: there is something at `out`.
    """
    catalog = read_catalog(shop / tables.CATALOG_FILE)
    shoppers = _shoppers_of(catalog, seed)
    bundle = open_bundle(model) if model else None
    with new_folder(out) as folder:
        rng = generator(seed, Purpose.GENERATIONS)
        lists, own_events = own_searches(shoppers, seed)
        if bundle:
            lists = show_results(ModelEngine(bundle, catalog), shoppers.rule, shoppers.queries, rng, shuffle=0)
        before = int(np.count_nonzero(~shoppers.sessions.in_evaluation_month))  # sessions; they stand first
        shown = _rows(lists, lists.session < before)
        events = _training_months(shoppers, shown, before, from_list, rng)
        log = _joined(events, _rows(own_events, own_events.session >= before))
        tables.write_interactions(folder, shoppers.queries, log, catalog.product_ids)
        is_purchase = events.event == PURCHASE
        card = GenerationLog(
            seed=seed,
            from_list=from_list,
            engine=bundle.fingerprint if bundle else None,
            shown=len(shown.product),
            shown_exact=int(np.count_nonzero(shown.grade == EXACT)),
            purchases=int(np.count_nonzero(is_purchase)),
            purchases_shown=int(np.count_nonzero(is_purchase & (events.position != NOT_SHOWN))),
        )
        write_record(folder / LOG_FILE, card)
    return card


def _shoppers_of(catalog: Catalog, seed: int) -> Shoppers:
    shoppers = draw_shoppers(len(catalog), seed) if len(catalog) >= MIN_PRODUCTS else None
    if shoppers is None or shoppers.titles != catalog.titles:
        raise ExperimentError(f"{catalog.path} is of no sample shop that `sample-shop --seed {seed}` makes")
    return shoppers


def _training_months(
    shoppers: Shoppers, shown: Impressions, sessions: int, from_list: float, rng: np.random.Generator
) -> Events:
    """Return the log of the first so many sessions, which are shown these lists."""
    bought = _rows(shoppers.bought, shoppers.bought.session < sessions)
    looked_at = look_at_results(shown, rng)
    bought = buy_from_lists(bought, shown, looked_at, shoppers.catalogue.popularity, from_list, rng)
    return simulate(shown, looked_at, bought, shoppers.sessions, rng)


def _rows(table: Table, chosen: NDArray[np.bool_]) -> Table:
    """Return the chosen rows of a record of columns."""
    return type(table)(**{field.name: getattr(table, field.name)[chosen] for field in fields(table)})


def _joined(first: Events, second: Events) -> Events:
    """Return the rows of two logs, one after the other."""
    names = [field.name for field in fields(Events)]
    return Events(**{name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names})
