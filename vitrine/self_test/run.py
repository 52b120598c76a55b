"""The self-test of a running service: which products are found by their own values, and what made queries find."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitrine.self_test.products import CatalogueSample, Product, sample_catalogue
from vitrine.self_test.queries import made_queries
from vitrine.self_test.record import IN_HYBRID, Answer, Findable, FoundProduct, SelfTest
from vitrine.self_test.searches import DEPTH, Found, search_all

QUERIES = 20
SAMPLED = 200
HYBRID = "hybrid"
SEED = 0


@dataclass(frozen=True)
class _Value:
    """A value of a product by which it should be found.

    Attributes:
        by: its name.
        of: gives it; empty where a product has none.
        shared_by: how many products have it.
        same: whether another product with the same value is right too, and is counted besides.
        ranking: the ranking that is asked for; None: the service's default.
    """

    by: str
    of: Callable[[Product], str]
    shared_by: Callable[[str], int] = lambda value: 1
    same: bool = False
    ranking: str | None = None


def self_test(url: str, catalog: Path) -> tuple[SelfTest, CatalogueSample]:
    """Ask a running service what it finds of its own catalogue, and return the numbers with the sample they are from.

    Raises:
        UpError: the service does not answer.
    """
    sample = sample_catalogue(catalog, SAMPLED, SEED)
    values = (
        _Value("own title", lambda product: product.title, lambda title: sample.with_title[title.lower()]),
        _Value(
            "brand and type",
            lambda product: product.brand_and_type,
            lambda pair: sample.with_brand_and_type[pair.lower()],
            same=True,
        ),
        _Value("product id", lambda product: product.product_id),
        _Value("gtin", lambda product: product.gtin),
        _Value(f"product id{IN_HYBRID}", lambda product: product.product_id, ranking=HYBRID),
        _Value(f"gtin{IN_HYBRID}", lambda product: product.gtin, ranking=HYBRID),
    )
    findable = [_findable(url, sample, value) for value in values]
    made = made_queries(sample.products, QUERIES)
    found = search_all(url, [one.query for one in made])
    answers = [
        Answer(query=one.query, kind=one.kind, made_from=one.product_id, hits=[_shown(hit) for hit in its.hits or []])
        for one, its in zip(made, found, strict=True)
    ]
    return (
        SelfTest(
            index_version=next((one.index_version for one in found if one.index_version), ""),
            products=sample.count,
            sampled=len(sample.products),
            depth=DEPTH,
            seed=SEED,
            findable=findable,
            answers=answers,
        ),
        sample,
    )


def _findable(url: str, sample: CatalogueSample, value: _Value) -> Findable:
    products = [product for product in sample.products if value.of(product)]
    found = search_all(url, [value.of(product) for product in products], value.ranking)
    return Findable(
        by=value.by,
        with_value=len(products),
        found=sum(_is_among(product, one) for product, one in zip(products, found, strict=True)),
        refused=sum(one.hits is None for one in found),
        possible=round(sum(min(1.0, DEPTH / value.shared_by(value.of(product))) for product in products), 1),
        first_hits_right=_share_right(sample, value, products, found) if value.same and products else None,
    )


def _is_among(product: Product, found: Found) -> bool:
    return any(hit["product_id"] == product.product_id for hit in found.hits or ())


def _share_right(
    sample: CatalogueSample, value: _Value, products: Sequence[Product], found: Sequence[Found]
) -> float | None:
    """Return the share of hits with the value that was searched for, of as many as there can be."""
    right = possible = 0
    for product, one in zip(products, found, strict=True):
        wanted = value.of(product)
        hits = [sample.columns.product(hit) for hit in one.hits or ()]
        right += sum(value.of(hit).lower() == wanted.lower() for hit in hits)
        possible += min(DEPTH, value.shared_by(wanted))
    return right / possible if possible else None


def _shown(hit: dict[str, Any]) -> FoundProduct:
    price = hit.get("price")
    return FoundProduct(
        product_id=hit["product_id"],
        title=hit["title"],
        score=hit["score"],
        price="" if price is None else str(price),
        image=hit["image"],
    )
