"""Statistics of a sample shop."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ShopSummary:
    """Counts of a sample shop."""

    products: int
    products_without_photo: int
    distinct_queries: int
    sessions: int
    interaction_rows: int  # impressions, clicks and purchases
    shown_by_grade: tuple[int, int, int, int]  # impressions of exact, substitute, complement and irrelevant products
    purchases: int
    purchases_not_shown: int  # of products that the search did not show
    judged_queries: int
    judgment_rows: int  # Exact, Substitute and Complement; products without a label are Irrelevant
    training_judged_queries: int
    training_judgment_rows: int  # a sample of all four labels
