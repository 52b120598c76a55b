"""The shoppers of a sample shop, and what they do with the shop's own search engine.

What they want, ask and would buy does not depend on what an engine shows.
"""

from dataclasses import dataclass

from training.sample_shop.catalogue import Products, make_products
from training.sample_shop.labels import RelevanceRule
from training.sample_shop.purchases import Purchases, draw_purchases
from training.sample_shop.queries import QueryLog, draw_intents, write_queries
from training.sample_shop.randomness import Purpose, generator
from training.sample_shop.result_lists import Impressions, show_results
from training.sample_shop.search_engine import SearchEngine
from training.sample_shop.simulation import (
    SESSIONS_PER_PRODUCT,
    Events,
    Sessions,
    look_at_results,
    schedule,
    simulate,
)
from training.sample_shop.titles import write_title


@dataclass(frozen=True)
class Shoppers:
    """A catalogue and its shoppers.

    Attributes:
        catalogue: the products.
        titles: the title of each product.
        rule: which products are relevant.
        queries: what is asked in each session.
        sessions: when each session begins.
        bought: what each session buys without regard to what it is shown.
    """

    catalogue: Products
    titles: list[str]
    rule: RelevanceRule
    queries: QueryLog
    sessions: Sessions
    bought: Purchases


def draw_shoppers(products: int, seed: int) -> Shoppers:
    """Return the shoppers of the sample shop with so many products and this seed."""
    catalogue = make_products(products, generator(seed, Purpose.PRODUCTS))
    titles = [
        write_title(attributes, generator(seed, Purpose.TITLE, row))
        for row, attributes in enumerate(catalogue.attributes)
    ]
    count = SESSIONS_PER_PRODUCT * products
    rule = RelevanceRule(catalogue)
    wanted = draw_intents(catalogue, count, generator(seed, Purpose.SHOPPERS))
    queries = write_queries(wanted, generator(seed, Purpose.WORDING))
    rng = generator(seed, Purpose.SESSIONS)
    sessions = schedule(count, rng)
    return Shoppers(catalogue, titles, rule, queries, sessions, draw_purchases(catalogue, rule, wanted, rng))


def own_searches(shoppers: Shoppers, seed: int) -> tuple[Impressions, Events]:
    """Return what the shop's own engine shows in all sessions, and the log of them."""
    catalogue = shoppers.catalogue
    texts = [f"{title} {category}" for title, category in zip(shoppers.titles, catalogue.categories, strict=True)]
    rng = generator(seed, Purpose.SEARCHES)
    shown = show_results(SearchEngine(texts, catalogue.popularity), shoppers.rule, shoppers.queries, rng)
    looked_at = look_at_results(shown, rng)
    return shown, simulate(shown, looked_at, shoppers.bought, shoppers.sessions, rng)
