"""Independent streams of random numbers: one part of the shop can change without moving the others."""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream of random numbers is for; the numbers stay with their purpose for ever."""

    PRODUCTS = 1
    TITLE = 2
    PHOTO = 3
    SHOPPERS = 4
    WORDING = 5
    SESSIONS = 6
    JUDGING = 7
    JUDGING_TRAINING = 8


def generator(seed: int, purpose: Purpose, index: int = 0) -> np.random.Generator:
    """The stream of this seed for a purpose and, where each product has its own, the product's row."""
    return np.random.default_rng([seed, int(purpose), index])
