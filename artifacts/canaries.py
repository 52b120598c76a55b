"""Canary queries: does a version still find what its builder found?

They catch what no checksum can: an encoder that gives other vectors here than where the index was built, or
parts that do not belong together. They do not measure recall; the builder does that over far more queries.
"""

from collections.abc import Callable, Sequence

from artifacts.errors import MismatchError
from artifacts.index_version import Canary

CANARY_DEPTH = 10  # products compared per query
# Approximate indexes and half precision lose a product or two near the cut; another model loses nearly all.
LEAST_MEAN_OVERLAP = 0.8

Search = Callable[[list[str], int], Sequence[Sequence[str]]]  # queries, k -> product ids, best first


def check_canaries(canaries: Sequence[Canary], search: Search) -> float | None:
    """Search every canary and compare with what its builder expects.

    Args:
        canaries: of the manifest. Those that expect nothing are left out.
        search: the version's own search.

    Returns:
        The mean overlap, from 0 to 1; None where nothing is expected.

    Raises:
        MismatchError: the mean overlap is below LEAST_MEAN_OVERLAP; names the worst query.
    """
    canaries = [canary for canary in canaries if canary.product_ids]
    if not canaries:
        return None
    overlaps = canary_overlaps(canaries, search)
    mean = sum(overlaps) / len(overlaps)
    if mean < LEAST_MEAN_OVERLAP:
        worst = min(range(len(overlaps)), key=overlaps.__getitem__)
        raise MismatchError(
            f"its canary queries find {mean:.0%} of the products that they should, expected at least "
            f"{LEAST_MEAN_OVERLAP:.0%}; the worst is {canaries[worst].query!r} with {overlaps[worst]:.0%}"
        )
    return mean


def canary_overlaps(canaries: Sequence[Canary], search: Search) -> list[float]:
    """Search every canary and tell the share of its first CANARY_DEPTH products that are found among as many.

    Args:
        canaries: each expects at least one product.
        search: of the version they are asked of; it need not be the one whose builder chose them.
    """
    found = search([canary.query for canary in canaries], CANARY_DEPTH)
    return [
        overlap(canary.product_ids[:CANARY_DEPTH], product_ids[:CANARY_DEPTH])
        for canary, product_ids in zip(canaries, found, strict=True)
    ]


def overlap(expected: Sequence[str], found: Sequence[str]) -> float:
    """Share of the expected products, of which there is at least one, that were found."""
    return len(set(expected) & set(found)) / len(expected)
