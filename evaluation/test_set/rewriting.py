"""The evaluation queries put otherwise than shoppers put them, to see what a model makes of what it did not train on.

Each query is rewritten by a rule that changes no meaning, drawn by a hash of the query: the same in every run.
A query that the rule does not apply to stays as it is.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from evaluation.test_set.test_set import TestSet

Rewriting = Literal["typo", "order", "number", "synonym"]

_SHORTEST = 4  # letters of a word in which a typo leaves something to recognise

# Words that stand for each other in any query of a shop, a group a line; no word is in two. What means more or less
# than another ("gown" and "dress"), or something else beside another word ("light blue"), is left out.
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
    """The test set with its queries rewritten; purchases and judgments stay those of the query that was meant."""
    rule = _RULES[rewriting]
    queries = [rule(query, _draw(query, rewriting)) for query in test_set.queries]
    key = f"{test_set.dataset_fingerprint}|{rewriting}"
    return replace(test_set, queries=queries, dataset_fingerprint=hashlib.sha256(key.encode()).hexdigest())


def _draw(query: str, rewriting: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{rewriting}|{query}".encode()).digest()))


def _typo(query: str, draw: np.random.Generator) -> str:
    """One word with two neighbouring letters in each other's place, a letter left out, or one doubled."""
    words = query.split()
    long = [place for place, word in enumerate(words) if len(word) >= _SHORTEST and word.isalpha()]
    if not long:
        return query
    place = int(draw.choice(long))
    word = words[place]
    at = int(draw.integers(1, len(word) - 1))  # first letters are seldom wrong
    mistakes = [word[:at] + word[at + 1] + word[at] + word[at + 2 :], word[:at] + word[at + 1 :]]
    mistakes.append(word[:at] + word[at] + word[at:])
    words[place] = str(draw.choice([mistake for mistake in mistakes if mistake != word]))
    return " ".join(words)


def _order(query: str, draw: np.random.Generator) -> str:
    """The same words in another order."""
    words = query.split()
    orders = words
    for _ in range(10):  # words may repeat, so that there need not be another
        if orders != words:
            break
        orders = [words[place] for place in draw.permutation(len(words))]
    return " ".join(orders)


def _number(query: str, draw: np.random.Generator) -> str:
    """The last word of letters in the other number, as far as an "s" makes it in English."""
    words = query.split()
    nouns = [place for place, word in enumerate(words) if len(word) >= _SHORTEST and word.isalpha()]
    if not nouns:
        return query
    last = words[nouns[-1]]
    words[nouns[-1]] = last[:-1] if last.endswith("s") and not last.endswith("ss") else f"{last}s"
    return " ".join(words)


def _synonym(query: str, draw: np.random.Generator) -> str:
    """Every word that has a synonym replaced by one."""
    words = [str(draw.choice(_OTHERS[word])) if word in _OTHERS else word for word in query.split()]
    return " ".join(words) if words != query.split() else query


def _others(groups: str) -> dict[str, list[str]]:
    """The synonyms of each word."""
    found = [[word.strip() for word in group.split(",")] for group in groups.strip().splitlines()]
    return {word: [other for other in group if other != word] for group in found for word in group}


_OTHERS = _others(_SYNONYMS)
_RULES: Mapping[Rewriting, Callable[[str, np.random.Generator], str]] = {
    "typo": _typo,
    "order": _order,
    "number": _number,
    "synonym": _synonym,
}
