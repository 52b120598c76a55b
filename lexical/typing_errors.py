"""Typing errors: in what way a typed word differs from a word of the shop, and how likely that is."""

import math

_ROWS = (("qwertyuiop", 0.0), ("asdfghjkl", 0.3), ("zxcvbnm", 0.8))
_PLACES = {
    letter: (place + shift, height) for height, (row, shift) in enumerate(_ROWS) for place, letter in enumerate(row)
}
_FEWEST_LETTERS = 4  # of the longer word, unless letters changed places: most words of three letters are near others
_LIKELIHOODS = {"swapped": 1.5, "doubled": 1.5, "neighbour": 1.0, "missing": 0.5, "extra": 0.5, "other": 0.0}
_FIRST_LETTER = -2.0  # few errors are in the first letter
_TOGETHER = 3.0  # what it adds if products have the word together with the query's others


def likelihood(typed: str, word: str, products: int, are_together: bool) -> float | None:
    """Return how likely somebody meant a word: comparable among words for the same typed one; None if they did not.

    One letter was typed too much, too little or instead of another, or two neighbours changed places.

    Args:
        typed: what was typed.
        word: a word of the shop.
        products: how many products have it.
        are_together: whether a product has it together with the other words of the query.
    """
    error = _error(typed, word)
    if error is None:
        return None
    kind, at = error
    if kind != "swapped" and max(len(typed), len(word)) < _FEWEST_LETTERS:
        return None
    if at == 0 and kind in ("neighbour", "other"):  # with another first letter it is another word
        return None
    value = math.log(products + 1) + _LIKELIHOODS[kind]
    return value + (_FIRST_LETTER if at == 0 and kind != "swapped" else 0.0) + (_TOGETHER if are_together else 0.0)


def _error(typed: str, word: str) -> tuple[str, int] | None:
    """Return the kind and the place of the one error; None if there are none or several."""
    at = next((place for place, (one, other) in enumerate(zip(typed, word, strict=False)) if one != other), None)
    if at is None:
        at = min(len(typed), len(word))
    if len(typed) == len(word):
        if typed == word:
            return None
        if typed[at + 1 :] == word[at + 1 :]:
            return ("neighbour" if _are_neighbours(typed[at], word[at]) else "other"), at
        swapped = typed[at : at + 2] == word[at : at + 2][::-1] and typed[at + 2 :] == word[at + 2 :]
        return ("swapped", at) if swapped else None
    longer, shorter, kind = (word, typed, "missing") if len(word) > len(typed) else (typed, word, "extra")
    if longer[at + 1 :] != shorter[at:]:
        return None
    is_doubled = at > 0 and longer[at] == longer[at - 1]
    return ("doubled" if is_doubled else kind), at


def _are_neighbours(one: str, other: str) -> bool:
    if one not in _PLACES or other not in _PLACES:
        return False
    (x, y), (x2, y2) = _PLACES[one], _PLACES[other]
    return abs(x - x2) <= 1.1 and abs(y - y2) <= 1
