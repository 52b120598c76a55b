"""Independent streams of random numbers, so that a change to one part of the shop leaves the others as they are."""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """The use of a stream of random numbers. The values are part of the seed and must never change."""

    PRODUCTS = 1
    TITLE = 2
    PHOTO = 3
    SHOPPERS = 4
    WORDING = 5
    SESSIONS = 6
    JUDGING = 7
    JUDGING_TRAINING = 8
    SEARCHES = 9  # what the search engine shows, and clicks
    GENERATIONS = 10  # the same for logs whose purchases depend on the lists, with these purchases


def generator(seed: int, purpose: Purpose, index: int = 0) -> np.random.Generator:
    """Return the stream for a seed and a purpose; `index` is the product's row if each product has its own stream."""
    return np.random.default_rng([seed, int(purpose), index])
