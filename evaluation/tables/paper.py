"""Figures of the paper's Tables 2 and 4, in percent, by recipe name, as a reference for readers.

They were measured on private data, so that only their order and their differences can be compared with results
on other data. Table 3 is left out, because its column headings are missing in the available text of the paper.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PaperRow:
    """A row of the paper's Table 2, with labels in the order Exact, Substitute, Complement, Irrelevant."""

    recall: float
    labels: tuple[float, float, float, float]


@dataclass(frozen=True)
class PaperNetRow:
    """A row of the paper's Table 4, with labels in the same order."""

    count: int  # mean number of net predictions
    deviation: int  # standard deviation of this number
    recall: float
    labels: tuple[float, float, float, float]


PAPER_BASELINE = "bibert"
PAPER_TABLE_2 = {
    "bibert": PaperRow(78.1, (52.7, 30.3, 2.4, 13.6)),
    "clip": PaperRow(46.0, (45.4, 26.5, 2.7, 25.4)),
    "4tmm-cat": PaperRow(78.6, (52.5, 31.1, 2.4, 14.0)),
    "4tmm-alpha": PaperRow(78.5, (51.9, 31.2, 2.4, 14.5)),
    "4tmm-mlp": PaperRow(75.5, (51.3, 31.1, 2.8, 14.8)),
    "4tmm-joint": PaperRow(73.3, (54.0, 26.8, 2.7, 11.9)),
    "4tmm-joint-sn": PaperRow(77.8, (50.6, 30.5, 2.3, 13.6)),
    "4tmm-mlp-sn": PaperRow(76.4, (51.5, 30.2, 2.3, 13.3)),
    "3tmm-joint": PaperRow(73.1, (53.8, 26.8, 2.7, 12.1)),
    "3tmm-joint-sn": PaperRow(74.9, (50.0, 30.4, 2.6, 14.0)),
    "3tmm-mlp-sn": PaperRow(76.8, (52.1, 29.5, 2.4, 13.2)),
}
PAPER_TABLE_4 = {
    "clip": PaperNetRow(84, 15, 10.1, (39.1, 31.5, 3.0, 31.5)),
    "4tmm-cat": PaperNetRow(60, 21, 20.9, (52.4, 30.8, 2.2, 14.5)),
    "4tmm-mlp": PaperNetRow(62, 20, 17.7, (50.1, 31.1, 3.1, 15.8)),
    "4tmm-joint": PaperNetRow(60, 23, 56.2, (57.6, 28.7, 2.2, 11.4)),
    "3tmm-joint": PaperNetRow(59, 23, 56.2, (57.6, 28.7, 2.2, 11.5)),
    "3tmm-mlp-sn": PaperNetRow(55, 24, 57.9, (53.7, 31.2, 2.2, 13.1)),
}


def paper_order(recipe: str, name: str) -> tuple[int, str]:
    """Return a sort key: recipes in the order of the paper's Table 2, then all others by model name."""
    recipes = list(PAPER_TABLE_2)
    return (recipes.index(recipe) if recipe in recipes else len(recipes), name)
