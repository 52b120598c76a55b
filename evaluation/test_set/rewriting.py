"""Rewriting of the evaluation queries, to measure the robustness of a model to wordings that it was not trained on.

Each query is rewritten by a rule that preserves its meaning. Random choices are seeded by a hash of the query, so that
every run gives the same queries. A query that the rule does not apply to stays as it is, and is counted.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.dataset import Dataset
from evaluation.test_set.nouns import other_number
from evaluation.test_set.other_words import synonyms_of, unseen_names_of
from evaluation.test_set.test_set import TestSet

Rewriting = Literal["typo", "order", "number", "synonym", "unseen-words"]
REWRITINGS: tuple[Rewriting, ...] = get_args(Rewriting)

_SHORTEST = 4  # letters; shorter words get no typo, which could make them unrecognisable
_WORD = re.compile(r"\w+")


def rewritten(test_set: TestSet, rewriting: Rewriting, logged: Collection[str]) -> TestSet:
    """Return the test set with rewritten queries; purchases and judgments are those of the original queries.

    Args:
        test_set: the queries as they were typed.
        rewriting: the rule.
        logged: the words of the logged queries (see `logged_words`), of which `unseen-words` uses none.
    """
    rule = _RULES[rewriting]
    queries = [rule(query, _draw(query, rewriting), logged) for query in test_set.queries]
    # The queries are part of the fingerprint, so that a result is of no earlier form of a rule.
    key = "\n".join([test_set.dataset_fingerprint, rewriting, *queries])
    return replace(
        test_set,
        queries=queries,
        dataset_fingerprint=hashlib.sha256(key.encode()).hexdigest(),
        rewriting=rewriting,
        rewritten_queries=sum(new != old for new, old in zip(queries, test_set.queries, strict=True)),
    )


def logged_words(dataset: Dataset) -> frozenset[str]:
    """Return the words, in lower case, of all queries that the data set has of the training window.

    These are the queries with positives, those held out for validation, and those for which products were shown.
    """
    tables = [dataset.train_pairs, dataset.validation_pairs, dataset.seen_negatives, dataset.shown_pairs]
    columns = [pc.unique(table["query"]) for table in tables if table is not None]
    queries = pc.unique(pa.chunked_array(columns, pa.string())).to_pylist()
    return frozenset(word for query in queries for word in _WORD.findall(query.lower()))


def _draw(query: str, rewriting: str) -> np.random.Generator:
    """Return a random generator that is seeded by the query and the rule."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{rewriting}|{query}".encode()).digest()))


def _typo(query: str, draw: np.random.Generator, logged: Collection[str]) -> str:
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


def _order(query: str, draw: np.random.Generator, logged: Collection[str]) -> str:
    """Reorder the words."""
    words = query.split()
    orders = words
    for _ in range(10):  # bounded, as a query of equal words has no other order
        if orders != words:
            break
        orders = [words[place] for place in draw.permutation(len(words))]
    return " ".join(orders)


def _number(query: str, draw: np.random.Generator, logged: Collection[str]) -> str:
    """Switch the last thing that a query names between singular and plural."""
    words = query.split()
    for place in reversed(range(len(words))):
        if other := other_number(words[place].lower()):
            words[place] = _with_capital_of(words[place], other)
            return " ".join(words)
    return query


def _synonym(query: str, draw: np.random.Generator, logged: Collection[str]) -> str:
    """Replace every word that has synonyms by one of them."""
    words = query.split()
    others = [synonyms_of(word.lower()) for word in words]
    if not any(others):
        return query
    chosen = [str(draw.choice(names)) if names else "" for names in others]
    return " ".join(_with_capital_of(word, other) if other else word for word, other in zip(words, chosen, strict=True))


def _unseen_words(query: str, draw: np.random.Generator, logged: Collection[str]) -> str:
    """Replace one word by another name for the same that no logged query holds."""
    words = query.split()
    lower = [word.lower() for word in words]
    others = [unseen_names_of(word, before, logged) for word, before in zip(lower, ["", *lower], strict=False)]
    places = [place for place, names in enumerate(others) if names]
    if not places:
        return query
    place = int(draw.choice(places))
    words[place] = _with_capital_of(words[place], str(draw.choice(others[place])))
    return " ".join(words)


def _with_capital_of(word: str, other: str) -> str:
    """Return another word, with a capital letter where the word has one."""
    return other.capitalize() if word[0].isupper() else other


_RULES: Mapping[Rewriting, Callable[[str, np.random.Generator, Collection[str]], str]] = {
    "typo": _typo,
    "order": _order,
    "number": _number,
    "synonym": _synonym,
    "unseen-words": _unseen_words,
}
