"""Canary queries check that an index version still finds what its builder found.

They detect what checksums cannot: an encoder that gives other vectors on this machine than where the index was built,
or parts that do not belong together. They do not measure recall; the builder does that with many more queries.
"""

from collections.abc import Callable, Sequence

from artifacts.errors import MismatchError
from artifacts.manifest import Canary

CANARY_DEPTH = 10  # products compared per query
# Approximate indexes and half precision lose one or two products near the cut; another model loses nearly all.
LEAST_MEAN_OVERLAP = 0.8

Search = Callable[[list[str], int], Sequence[Sequence[str]]]  # queries, k -> product ids, best first


def check_canaries(canaries: Sequence[Canary], search: Search) -> float | None:
    """Search for every canary and compare with the products that the builder found.

    Args:
        canaries: the canaries of the manifest. Those without expected products are left out.
        search: search in the version.

    Returns:
        The mean overlap, from 0 to 1; None if no canary has expected products.

    Raises:
        MismatchError: the mean overlap is below LEAST_MEAN_OVERLAP; the message names the worst query.
    """
    canaries = [canary for canary in canaries if canary.product_ids]
    if not canaries:
        return None
    overlaps = canary_overlaps(canaries, search)
    mean = sum(overlaps) / len(overlaps)
    if mean < LEAST_MEAN_OVERLAP:
        worst = min(range(len(overlaps)), key=overlaps.__getitem__)
        raise MismatchError(
            f"its canary queries find {mean:.0%} of the expected products, expected at least "
            f"{LEAST_MEAN_OVERLAP:.0%}; the worst is {canaries[worst].query!r} with {overlaps[worst]:.0%}"
        )
    return mean


def canary_overlaps(canaries: Sequence[Canary], search: Search) -> list[float]:
    """Return for every canary the share of its first CANARY_DEPTH products among the first CANARY_DEPTH results.

    Args:
        canaries: canaries with at least one expected product each.
        search: search in any version, also in another one than the canaries were made for.
    """
    found = search([canary.query for canary in canaries], CANARY_DEPTH)
    return [
        overlap(canary.product_ids[:CANARY_DEPTH], product_ids[:CANARY_DEPTH])
        for canary, product_ids in zip(canaries, found, strict=True)
    ]


def overlap(expected: Sequence[str], found: Sequence[str]) -> float:
    """Return the share of the expected products that were found; at least one must be expected."""
    return len(set(expected) & set(found)) / len(expected)
