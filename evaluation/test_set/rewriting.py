"""Rewriting of the evaluation queries, to measure the robustness of a model to wordings that it was not trained on.

Each query is rewritten by a rule that preserves its meaning. Random choices are seeded by a hash of the query, so that
every run gives the same queries. A query that the rule does not apply to stays unchanged.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from evaluation.test_set.test_set import TestSet

Rewriting = Literal["typo", "order", "number", "synonym"]

_SHORTEST = 4  # letters; shorter words are not changed, as a typo could make them unrecognisable

# Groups of synonyms, one per line; no word is in two groups. The words of a group can replace each other in any query
# of a shop. Words that are broader or narrower than another ("gown" and "dress"), or that change their meaning beside
# another word ("light blue"), are left out.
_SYNONYMS = """
    men, gents, gentlemen
    mens, male
    women, ladies
    womens, female
    kids, children
    grey, gray
    purple, violet
    maroon, burgundy
    gold, golden
    turquoise, aqua
    colour, color
    multicolour, multicoloured
    plain, solid
    striped, stripy
    checked, checkered
    floral, flowery
    dotted, spotted
    wool, woollen
    wood, wooden
    waterproof, rainproof
    foldable, folding
    handmade, handcrafted
    vintage, retro
    oversized, baggy
    casual, everyday, informal
    sports, athletic
    running, jogging
    gym, workout
    tshirt, t-shirt, tee
    tshirts, t-shirts, tees
    sweater, jumper, pullover
    sweaters, jumpers, pullovers
    trousers, pants, slacks
    jeans, denims
    dress, frock
    dresses, frocks
    saree, sari
    sarees, saris
    shoes, footwear
    sneaker, trainer
    sneakers, trainers
    backpack, rucksack
    backpacks, rucksacks
    wallet, billfold
    wallets, billfolds
    watch, wristwatch
    watches, wristwatches
    sunglasses, shades
    tie, necktie
    ties, neckties
    jewellery, jewelry
    perfume, fragrance, scent
    perfumes, fragrances, scents
    deodorant, deo
    sofa, couch
    cushion, pillow
    cushions, pillows
    mug, cup
    mugs, cups
    rug, carpet
    curtain, drape
    quilt, duvet
"""


def rewritten(test_set: TestSet, rewriting: Rewriting) -> TestSet:
    """Return the test set with rewritten queries; purchases and judgments are those of the original queries."""
    rule = _RULES[rewriting]
    queries = [rule(query, _draw(query, rewriting)) for query in test_set.queries]
    key = f"{test_set.dataset_fingerprint}|{rewriting}"
    return replace(test_set, queries=queries, dataset_fingerprint=hashlib.sha256(key.encode()).hexdigest())


def _draw(query: str, rewriting: str) -> np.random.Generator:
    """Return a random generator that is seeded by the query and the rule."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{rewriting}|{query}".encode()).digest()))


def _typo(query: str, draw: np.random.Generator) -> str:
    """Swap two neighbouring letters of one word, leave out a letter, or double one."""
    words = query.split()
    long = [place for place, word in enumerate(words) if len(word) >= _SHORTEST and word.isalpha()]
    if not long:
        return query
    place = int(draw.choice(long))
    word = words[place]
    at = int(draw.integers(1, len(word) - 1))  # not the first letter, where typos are rare
    mistakes = [word[:at] + word[at + 1] + word[at] + word[at + 2 :], word[:at] + word[at + 1 :]]
    mistakes.append(word[:at] + word[at] + word[at:])
    words[place] = str(draw.choice([mistake for mistake in mistakes if mistake != word]))
    return " ".join(words)


def _order(query: str, draw: np.random.Generator) -> str:
    """Reorder the words."""
    words = query.split()
    orders = words
    for _ in range(10):  # bounded, as a query of equal words has no other order
        if orders != words:
            break
        orders = [words[place] for place in draw.permutation(len(words))]
    return " ".join(orders)


def _number(query: str, draw: np.random.Generator) -> str:
    """Add or remove a final "s" of the last long word, to switch between singular and plural."""
    words = query.split()
    nouns = [place for place, word in enumerate(words) if len(word) >= _SHORTEST and word.isalpha()]
    if not nouns:
        return query
    last = words[nouns[-1]]
    words[nouns[-1]] = last[:-1] if last.endswith("s") and not last.endswith("ss") else f"{last}s"
    return " ".join(words)


def _synonym(query: str, draw: np.random.Generator) -> str:
    """Replace every word that has synonyms by one of them."""
    words = [str(draw.choice(_OTHERS[word])) if word in _OTHERS else word for word in query.split()]
    return " ".join(words) if words != query.split() else query


def _others(groups: str) -> dict[str, list[str]]:
    """Return the synonyms of each word, from one group per line."""
    found = [[word.strip() for word in group.split(",")] for group in groups.strip().splitlines()]
    return {word: [other for other in group if other != word] for group in found for word in group}


_OTHERS = _others(_SYNONYMS)
_RULES: Mapping[Rewriting, Callable[[str, np.random.Generator], str]] = {
    "typo": _typo,
    "order": _order,
    "number": _number,
    "synonym": _synonym,
}
