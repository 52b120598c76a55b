"""BM25 to the number that tantivy computes, so that both ways to a product's score give the same one.

A stem that a text has t times adds to its score

    weight * log(1 + (n - m + 0.5) / (m + 0.5)) * t * (K1 + 1) / (t + K1 * (1 - B + B * l)),

where m of n products have the stem in this field, and l is the text's length over the mean length of all.
"""

import numpy as np
import numpy.typing as npt

K1, B = 1.2, 0.75

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


def _lengths() -> list[int]:
    """Return the lengths that are told apart: 0 to 40, and then those of four binary digits, up to about 2 billion."""
    return [*range(24), *range(24, 40), *(24 + (digits << shift) for shift in range(1, 28) for digits in range(8, 16))]


_LENGTHS = np.array(_lengths())


def rounded_lengths(lengths: Integers) -> Integers:
    """Return the lengths of texts, in words, as BM25 counts them: rounded down to one of a few."""
    return _LENGTHS[_LENGTHS.searchsorted(lengths, side="right") - 1]


def inverse_frequencies(having: Integers, count: int) -> Floats:
    """Return how rare stems are.

    Args:
        having: how many products have each.
        count: the number of products.
    """
    ratios = ((count - having).astype(np.float32) + np.float32(0.5)) / (having.astype(np.float32) + np.float32(0.5))
    return np.log(np.float32(1) + ratios)


def shares(times: Integers, lengths: Integers, mean_length: float, rarities: Floats, weight: float) -> Floats:
    """Return what stems add to the scores of texts. All shapes are equal.

    Args:
        times: how often the text has the stem.
        lengths: the length of the text, as `rounded_lengths` returns it.
        mean_length: the mean length of all texts, in words.
        rarities: see `inverse_frequencies`.
        weight: what a word weighs in the field.
    """
    of_length = K1 * (1 - B + B * lengths.astype(np.float32) / np.float32(mean_length))
    counted = times.astype(np.float32)
    return (rarities * np.float32(weight * (K1 + 1)) * (counted / (counted + of_length))).astype(np.float32)
