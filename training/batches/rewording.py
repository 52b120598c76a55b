"""Training queries as other shoppers would have typed them: with a typing error, other word order or number.

A model that has seen them keeps more of its recall when shoppers do the same (`evaluation wording` measures it).
"""

from collections.abc import Callable

import numpy as np

SHORTEST_MISTYPED = 4  # letters of the shortest word that gets a typing error
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    key: row[max(0, place - 1) : place] + row[place + 1 : place + 2]
    for row in _KEYBOARD
    for place, key in enumerate(row)
}
_Rule = Callable[[list[str], np.random.Generator], list[str]]


def reworded(query: str, rng: np.random.Generator) -> str:
    """Return a query with one change: a typing error, another word order, the other number, or a word less.

    A query to which the drawn rule does not apply stays as it is.

    Args:
        query: the query as it was typed.
        rng: draws the rule and the place.
    """
    rule = _RULES[int(np.searchsorted(_BOUNDS, rng.random(), side="right"))]
    return " ".join(rule(query.split(), rng))


def _mistyped(words: list[str], rng: np.random.Generator) -> list[str]:
    long = [place for place, word in enumerate(words) if len(word) >= SHORTEST_MISTYPED and word.isalpha()]
    if not long:
        return words
    place = int(rng.choice(long))
    return [*words[:place], _with_error(words[place], rng), *words[place + 1 :]]


def _with_error(word: str, rng: np.random.Generator) -> str:
    """Return a word with two letters swapped, a letter lost, doubled, or replaced by its neighbour on the keyboard."""
    at, kind = int(rng.integers(len(word) - 1)), int(rng.integers(4))
    before, letter, after = word[:at], word[at], word[at + 1 :]
    if kind == 0:
        return before + after[0] + letter + after[1:]
    if kind == 1:
        return before + after
    if kind == 2:
        return before + letter + letter + after
    neighbours = _NEIGHBOURS.get(letter.lower(), letter)
    return before + neighbours[int(rng.integers(len(neighbours)))] + after


def _reordered(words: list[str], rng: np.random.Generator) -> list[str]:
    return [words[place] for place in rng.permutation(len(words))]


def _with_other_number(words: list[str], rng: np.random.Generator) -> list[str]:
    """Return the words with the last one, which mostly names the thing, in the other number, as far as -s shows it."""
    if not words or not words[-1].isalpha() or len(words[-1]) < SHORTEST_MISTYPED:
        return words
    last = words[-1]
    if last.endswith(("sses", "xes", "zes", "ches", "shes")):
        other = last[:-2]
    elif last.endswith("s") and not last.endswith(("ss", "us", "is")):
        other = last[:-1]
    else:
        other = last + ("es" if last.endswith(("s", "x", "z", "ch", "sh")) else "s")
    return [*words[:-1], other]


def _with_a_word_less(words: list[str], rng: np.random.Generator) -> list[str]:
    if len(words) < 3:
        return words
    place = int(rng.integers(len(words)))
    return words[:place] + words[place + 1 :]


_RULES: tuple[_Rule, ...] = (_mistyped, _reordered, _with_other_number, _with_a_word_less)
_BOUNDS = np.cumsum([0.5, 0.2, 0.2])  # the rest: a word less
