"""The queries of shoppers: texts of intents, with synonyms, plurals, several word orders and a few typos.

A query text has one intent throughout a shop: the first intent that is written as a certain text keeps that text, and
another intent for which the same text is drawn gets its plain wording instead.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.sample_shop.catalogue import (
    ATTRIBUTES,
    BRAND,
    COLOUR,
    FEATURE,
    MATERIAL,
    PATTERN,
    TERMS,
    TYPE,
    Codes,
    Products,
    Rows,
)
from training.sample_shop.labels import UNSTATED
from training.sample_shop.product_types import PRODUCT_TYPES
from training.sample_shop.vocabulary import PLAIN

# Probability that a query states an attribute of the product in mind.
STATES = {COLOUR: 0.70, PATTERN: 0.60, MATERIAL: 0.35, BRAND: 0.20, FEATURE: 0.15}
STATES_PLAIN = 0.20  # instead of STATES[PATTERN] if the product is plain
USUAL_PHRASE = 0.8  # probability of the usual phrase of an attribute with several phrases
PLURAL = 0.15
TYPO = 0.03
TYPO_MIN_LETTERS = 5  # shorter words get no typo

# Word orders with their probabilities. The text before an attribute is its prefix, written if the attribute is stated.
_ORDERS: tuple[tuple[float, tuple[tuple[str, int], ...]], ...] = (
    (0.70, (("", BRAND), ("", FEATURE), ("", COLOUR), ("", PATTERN), ("", MATERIAL), ("", TYPE))),
    (0.12, (("", TYPE), ("", COLOUR), ("", PATTERN), ("", MATERIAL), ("", BRAND), ("", FEATURE))),
    (0.10, (("", PATTERN), ("", COLOUR), ("", MATERIAL), ("", FEATURE), ("", TYPE), ("", BRAND))),
    (0.08, (("", FEATURE), ("", PATTERN), ("", MATERIAL), ("", TYPE), ("in ", COLOUR), ("by ", BRAND))),
)
_ORDER_BOUNDS = np.cumsum([share for share, _ in _ORDERS])
# Random numbers per query: one for the phrase of each attribute, and one each for word order, plural, typo, word with
# the typo, and position of the typo.
_DRAWS = len(ATTRIBUTES) + 5

_WORDS = frozenset(
    word for terms in TERMS for term in terms for phrase in term.phrases for word in phrase.split()
) | frozenset(word for kind in PRODUCT_TYPES for plural in kind.plurals for word in plural.split())


@dataclass(frozen=True)
class QueryLog:
    """The queries of all sessions."""

    query_of_session: Rows  # query of each session, a row of `texts` and `intents`, shape (sessions,)
    texts: tuple[str, ...]  # the distinct queries
    intents: Codes  # shape (distinct queries, len(ATTRIBUTES))


def draw_intents(products: Products, sessions: int, rng: np.random.Generator) -> Codes:
    """Draw a product in mind and the stated attributes for each session; shape (sessions, len(ATTRIBUTES))."""
    targets = rng.choice(len(products), sessions, p=products.popularity)
    intents = products.attributes[targets]
    for attribute, share in STATES.items():
        shares = np.full(sessions, share)
        if attribute == PATTERN:
            shares[intents[:, PATTERN] == PLAIN] = STATES_PLAIN
        intents[rng.random(sessions) >= shares, attribute] = UNSTATED
    return intents


def write_queries(intents: Codes, rng: np.random.Generator) -> QueryLog:
    """Write a query text for the intent of each session."""
    draws = rng.random((len(intents), _DRAWS))
    meaning: dict[str, int] = {}  # row of each query text
    kept: list[tuple[int, ...]] = []  # intent of each row
    rows = np.empty(len(intents), dtype=np.int64)
    for session, codes in enumerate(intents.tolist()):
        intent = tuple(codes)
        text = _worded(intent, draws[session])
        if text in meaning and kept[meaning[text]] != intent:
            text = plain_wording(intent)
        if text not in meaning:
            meaning[text] = len(kept)
            kept.append(intent)
        rows[session] = meaning[text]
        assert kept[rows[session]] == intent, f"{text!r} has two meanings"
    return QueryLog(rows, tuple(meaning), np.array(kept, dtype=np.int16))


def plain_wording(intent: tuple[int, ...]) -> str:
    """Return the text with the usual phrases in the usual order; it is unique to the intent."""
    usual = {a: TERMS[a][code].phrases[0] for a, code in enumerate(intent) if code != UNSTATED}
    return _joined(usual, order=0)


def _worded(intent: tuple[int, ...], draws: NDArray[np.float64]) -> str:
    """Return a text of the intent; `draws` are _DRAWS random numbers from 0 to 1."""
    *phrase_draws, order, plural, typo, word, place = draws.tolist()
    phrases = {}
    for attribute, code in enumerate(intent):
        if code != UNSTATED:
            choices = TERMS[attribute][code].phrases
            if attribute == TYPE and plural < PLURAL:
                choices = PRODUCT_TYPES[code].plurals
            phrases[attribute] = _pick(choices, phrase_draws[attribute])
    text = _joined(phrases, order=int(np.searchsorted(_ORDER_BOUNDS[:-1], order, side="right")))
    return _mistyped(text, word, place) if typo < TYPO else text


def _pick(phrases: tuple[str, ...], draw: float) -> str:
    """Return the usual phrase if `draw` is below USUAL_PHRASE, otherwise one of the others."""
    if len(phrases) == 1 or draw < USUAL_PHRASE:
        return phrases[0]
    rest = (draw - USUAL_PHRASE) / (1 - USUAL_PHRASE)
    return phrases[1 + int(rest * (len(phrases) - 1))]


def _joined(phrases: dict[int, str], order: int) -> str:
    slots = _ORDERS[order][1]
    return " ".join(before + phrases[attribute] for before, attribute in slots if attribute in phrases)


def _mistyped(text: str, word_draw: float, place_draw: float) -> str:
    """Swap two letters in one of the longer words, unless the result is another known word."""
    words = text.split(" ")
    long_words = [i for i, word in enumerate(words) if len(word) >= TYPO_MIN_LETTERS]
    if not long_words:
        return text
    chosen = long_words[int(word_draw * len(long_words))]
    word = words[chosen]
    at = 1 + int(place_draw * (len(word) - 2))  # the first letter stays
    words[chosen] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return text if words[chosen] in _WORDS else " ".join(words)
