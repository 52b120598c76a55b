"""Says when a version was measured with few real queries."""

from artifacts.manifest import IndexDescription

# Mean recall over so many queries is known to about half a percent. A point that reached its target by a standard error
# with 5 queries was truly below it in 41 % of draws, with so many in 2 %.
ENOUGH_QUERIES = 200


def describe_few_queries(index: IndexDescription) -> str:
    """Return as a clause what an index was measured with if its held-out queries were few, otherwise nothing."""
    held_out = index.held_out_count
    if held_out >= ENOUGH_QUERIES:
        return ""
    titles = index.measured_queries - held_out
    return (
        f"recall was measured with {held_out:,} held-out queries{f' and {titles:,} product titles' if titles else ''}; "
        f"with fewer than {ENOUGH_QUERIES} held-out queries, those of shoppers may have another recall"
    )
