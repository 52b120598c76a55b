"""Rewritten queries: each rule makes only its own change, and the same change in every run."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from artifacts.catalog import Catalog
from evaluation.test_set import rewriting as rules
from evaluation.test_set.rewriting import Rewriting, rewritten
from evaluation.test_set.test_set import TestSet

QUERIES = ["red shoes for women", "shirt", "109f", "", "a b", "boss boss", "dress 2011", "nike nike shirts"]


def run(rewriting: Rewriting, queries: list[str] = QUERIES) -> list[str]:
    test_set = TestSet("f" * 64, Catalog(Path("none"), None), queries, [], None)  # type: ignore[arg-type]
    return rewritten(test_set, rewriting).queries


def distance(one: str, other: str) -> int:
    """Return the Levenshtein distance, in which a swap of two neighbours counts as two."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        last, row[0] = row[0], i
        for j, also in enumerate(other, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (letter != also))
    return row[-1]


def test_a_typo_spoils_one_word_of_four_letters_or_more() -> None:
    queries = [*QUERIES, *(f"yellow sandals number{'x' * n}" for n in range(40))]
    for query, found in zip(queries, run("typo", queries), strict=True):
        changed = [(a, b) for a, b in zip(query.split(), found.split(), strict=True) if a != b]
        assert len(changed) == any(len(word) >= 4 and word.isalpha() for word in query.split())
        assert all(1 <= distance(*pair) <= 2 and pair[0][0] == pair[1][0] for pair in changed)


def test_another_order_has_the_same_words() -> None:
    for query, found in zip(QUERIES, run("order"), strict=True):
        assert Counter(query.split()) == Counter(found.split())
        assert (found != query) == (len(set(query.split())) > 1)


def test_the_other_number_is_an_s_more_or_less() -> None:
    assert run("number") == [
        "red shoes for womens", "shirts", "109f", "", "a b", "boss bosss", "dresss 2011", "nike nike shirt"
    ]  # fmt: skip


def test_synonyms_replace_every_word_that_has_some_and_lead_back() -> None:
    assert run("synonym", ["Grey grey  rug", "nike 109f", "", "red shoes for women"]) == [
        "Grey gray carpet", "nike 109f", "", "red footwear for ladies"
    ]  # fmt: skip
    queries = [f"{word} number{place}" for word in ("tee", "pullover", "gents", "casual") for place in range(20)]
    for query, found in zip(queries, run("synonym", queries), strict=True):
        word, other = query.split()[0], found.split()[0]
        assert word != other and query.split()[1] == found.split()[1]
        back = run("synonym", [f"{other} number{place}" for place in range(20)])
        assert word in {one.split()[0] for one in back}


def test_no_word_stands_in_two_groups_of_synonyms() -> None:
    words = [word.strip() for group in rules._SYNONYMS.strip().splitlines() for word in group.split(",")]
    assert [word for word, times in Counter(words).items() if times > 1] == []
    assert all(word == word.lower() and len(word.split()) == 1 for word in words)


@pytest.mark.parametrize("rewriting", ["typo", "order", "number", "synonym"])
def test_runs_agree_and_are_told_apart_from_the_queries_as_they_were(rewriting: Rewriting) -> None:
    test_set = TestSet("f" * 64, Catalog(Path("none"), None), QUERIES, [], None)  # type: ignore[arg-type]
    one, other = rewritten(test_set, rewriting), rewritten(replace(test_set), rewriting)
    assert one.queries == other.queries
    assert one.dataset_fingerprint == other.dataset_fingerprint != test_set.dataset_fingerprint
    assert one.bought is test_set.bought
