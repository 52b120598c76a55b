"""Rewritten queries: each rule makes only its own change, and the same change in every run."""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from artifacts.catalog import Catalog
from evaluation.test_set import nouns, other_words
from evaluation.test_set.rewriting import REWRITINGS, Rewriting, logged_words, rewritten
from evaluation.test_set.test_set import TestSet

QUERIES = ["red shoes for women", "shirt", "109f", "", "a b", "boss boss", "dress 2011", "nike nike shirts"]


def made_of(queries: list[str]) -> TestSet:
    return TestSet("f" * 64, Catalog(Path("none"), None), queries, [], None)  # type: ignore[arg-type]


def run(rewriting: Rewriting, queries: list[str] = QUERIES, logged: Collection[str] = frozenset()) -> list[str]:
    return rewritten(made_of(queries), rewriting, logged).queries


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


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("dress", "dresses"),
        ("watch", "watches"),
        ("box", "boxes"),
        ("teddy", "teddies"),
        ("toy", "toys"),
        ("tie", "ties"),
        ("scarf", "scarves"),
        ("mouse", "mice"),
        ("t-shirt", "t-shirts"),
        ("red dress for women 2011", "red dresses for women 2011"),
        ("nike tee shirt", "nike tee shirts"),
        ("Blue Mug", "Blue Mugs"),
    ],
)
def test_the_other_number_is_that_of_the_last_thing_both_ways(one: str, many: str) -> None:
    assert run("number", [one, many]) == [many, one]


def test_what_is_no_known_thing_has_no_other_number() -> None:
    """Neither brands nor adjectives, nor words in "ss" or "s" that are no plural, nor words that are misspelt."""
    queries = ["boss boss", "guess casual", "adidas black", "shorts", "sunglasses", "womens", "plain dresss", ""]
    assert run("number", queries) == queries


def test_no_word_is_the_singular_of_one_thing_and_the_plural_of_another() -> None:
    things = nouns._THINGS.split()
    plurals = {nouns.plural(thing) for thing in things}
    assert len(set(things)) == len(things) == len(plurals)
    assert not plurals & set(things)


def test_synonyms_replace_every_word_that_has_some_and_lead_back() -> None:
    assert run("synonym", ["Grey grey  rug", "nike 109f  red", "", "red shoes for women"]) == [
        "Gray gray carpet", "nike 109f  red", "", "red footwear for ladies"
    ]  # fmt: skip
    queries = [f"{word} number{place}" for word in ("tee", "pullover", "gents", "casual") for place in range(20)]
    for query, found in zip(queries, run("synonym", queries), strict=True):
        word, other = query.split()[0], found.split()[0]
        assert word != other and query.split()[1] == found.split()[1]
        back = run("synonym", [f"{other} number{place}" for place in range(20)])
        assert word in {one.split()[0] for one in back}


def test_no_word_stands_in_two_groups_of_synonyms() -> None:
    words = [word for group in other_words._groups(other_words._SYNONYMS) for word in group]
    assert [word for word, times in Counter(words).items() if times > 1] == []
    assert all(word == word.lower() and len(word.split()) == 1 for word in words)


def test_unseen_words_replace_one_word_by_a_name_that_nobody_typed() -> None:
    queries = [f"red backpacks number{place}" for place in range(40)]
    names = {"crimson", "scarlet", "ruby", "vermilion", "knapsacks", "haversacks"}
    changed = [
        (old, new)
        for query, found in zip(
            queries, run("unseen-words", queries, {"red", "crimson", "scarlet", "knapsack"}), strict=True
        )
        for old, new in zip(query.split(), found.split(), strict=True)
        if old != new
    ]
    assert len(changed) == len(queries)
    # A name is also typed where its other number is.
    assert {new for _, new in changed} == names - {"crimson", "scarlet", "knapsacks"}
    assert {old for old, _ in changed} == {"red", "backpacks"}


def test_queries_whose_words_have_no_unseen_name_stay() -> None:
    logged = {"ebony", "inky", "raven"}
    queries = ["nike cap", "black cap", "navy blue cap", "sea green", "Red cap"]
    *same, changed = run("unseen-words", queries, logged)
    assert same == queries[:-1]
    assert changed in {"Crimson cap", "Scarlet cap", "Ruby cap", "Vermilion cap"}


def test_other_names_are_single_words_that_are_not_replaced_themselves() -> None:
    names = [name for others in other_words._NAMES_OF.values() for name in others]
    assert all(name.isalpha() and name == name.lower() for name in names)
    assert not set(names) & other_words._NAMES_OF.keys()
    lines = (other_words._NAMES_OF_COLOURS, other_words._NAMES_OF_OTHERS, other_words._NAMES_OF_THINGS)
    parts = [other_words._names(text) for text in lines]
    assert sum(len(part) for part in parts) == len({word for part in parts for word in part})


def test_logged_are_the_words_of_all_queries_of_the_training_window() -> None:
    def table(*queries: str) -> pa.Table:
        return pa.table({"query": pa.array(queries, pa.string())})

    dataset = SimpleNamespace(
        train_pairs=table("Red mug", "red mug"),
        validation_pairs=table("men's tee"),
        seen_negatives=table(),
        shown_pairs=table("t-shirt"),
    )
    assert logged_words(dataset) == {"red", "mug", "men", "s", "tee", "t", "shirt"}  # type: ignore[arg-type]
    dataset.shown_pairs = None  # older data sets
    assert "shirt" not in logged_words(dataset)  # type: ignore[arg-type]


@pytest.mark.parametrize("rewriting", REWRITINGS)
def test_runs_agree_and_are_told_apart_from_the_queries_as_they_were(rewriting: Rewriting) -> None:
    test_set = made_of(QUERIES)
    one, other = (rewritten(it, rewriting, frozenset()) for it in (test_set, replace(test_set)))
    assert one.queries == other.queries
    assert one.dataset_fingerprint == other.dataset_fingerprint != test_set.dataset_fingerprint
    assert one.bought is test_set.bought
    assert one.rewriting == rewriting and test_set.rewriting is None
    assert one.rewritten_queries == sum(a != b for a, b in zip(one.queries, QUERIES, strict=True)) > 0


def test_other_words_give_another_fingerprint() -> None:
    """So that no result is taken for one of queries that were rewritten with other words."""
    one, other = (rewritten(made_of(["red"]), "unseen-words", logged) for logged in ((), ("scarlet", "ruby")))
    three = rewritten(made_of(["red"]), "unseen-words", ("crimson", "scarlet", "ruby", "vermilion"))
    assert three.queries == ["red"] and three.rewritten_queries == 0
    assert (one.queries == other.queries) == (one.dataset_fingerprint == other.dataset_fingerprint)
    assert three.dataset_fingerprint not in (one.dataset_fingerprint, "f" * 64)
