"""The numbers of a self-test in sentences, for the terminal and for the page."""

from artifacts.cli import printable
from vitrine.self_test.record import IN_HYBRID, Findable, SelfTest

_QUERIES_SHOWN, _HITS_SHOWN = 3, 3  # on the terminal
_NUMBERS = ("product id", "gtin")
_RARELY = 0.5  # a share below it means that such searches cannot be relied on


def summary(result: SelfTest) -> str:
    """Return which share of products is found by each value, in one line."""
    parts = ", ".join(f"{one.by} {share_of(one)}" for one in result.findable)
    return f"Of {result.sampled:,} products, found within {result.depth} by: {parts}"


def first_hits(result: SelfTest) -> list[str]:
    """Return the first hits of the first queries made from the catalogue, a line each, as a terminal can show them."""
    lines = []
    for answer in result.answers[:_QUERIES_SHOWN]:
        hits = [f"{hit.score:.3f}  {hit.title}  [{hit.product_id}]" for hit in answer.hits[:_HITS_SHOWN]]
        lines += [f"{answer.query}:", *(f"  {printable(hit)}" for hit in hits)]
    return lines


def share_of(one: Findable) -> str:
    """Return a share, and where not all can be found, how many could."""
    if one.share is None:
        return "not in the catalogue"
    most = one.possible / one.with_value
    return percent(one.share) + (f" (at most {percent(most)} possible)" if most < 0.995 else "")


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.0f} %"


def remarks(result: SelfTest) -> list[str]:
    """Return what a reader of the numbers should know, each a sentence."""
    by = {one.by: one for one in result.findable}
    found = []
    numbers = [name for name in _NUMBERS if (share := by[name].share) is not None and share < _RARELY]
    if numbers:
        found.append(
            f"A search by {' or '.join(numbers)} does not find its product: such a number has no meaning that a model "
            "could compare. The default ranking goes by what words and photos mean, not by letters and digits."
        )
    exact = [name for name in numbers if (by.get(name + IN_HYBRID) or by[name]).share_or_zero >= _RARELY]
    if exact:
        found.append(
            f'With "ranking": "hybrid" in the request a search by {" or ".join(exact)} finds its product: that '
            "ranking reads the words and numbers of products beside their meaning."
        )
    pair = by["brand and type"]
    if pair.with_value and pair.possible < 0.995 * pair.with_value:
        found.append(
            f"More than {result.depth} products share a brand and a type, so not every one can be among the first "
            f"{result.depth}; the share of first hits that have both is the better number."
        )
    refused = sum(one.refused for one in result.findable)
    if refused:
        found.append(f"The service refused {refused:,} of the searches, such as titles that are too long for a query.")
    title = by["own title"]
    if title.share is not None and title.share < _RARELY:
        found.append(
            "Less than half of the products are found by their own title. The titles may be very much alike, or the "
            "model has learned too little from the catalogue."
        )
    return found
