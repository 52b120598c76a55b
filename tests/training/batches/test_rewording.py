"""Queries as others would have typed them."""

from collections import Counter

import numpy as np
import pytest

from training.batches import rewording
from training.batches.rewording import reworded

QUERY = "red striped cotton mug"


def drawn(query: str, times: int = 400) -> Counter[str]:
    rng = np.random.default_rng(0)
    return Counter(reworded(query, rng) for _ in range(times))


def test_every_rule_is_drawn_and_the_words_stay_near_the_query() -> None:
    found = drawn(QUERY)
    assert {"mug striped cotton red", "red striped mug", "red cotton mug"} & set(found)  # others stand beside them
    assert any(sorted(text.split()) == sorted(QUERY.split()) and text != QUERY for text in found)  # other order
    assert any(len(text.split()) == 3 for text in found)  # a word less
    mistyped = [text for text in found if len(set(text.split()) - set(QUERY.split())) == 1]
    assert len(mistyped) > 20
    assert all(abs(len(text) - len(QUERY)) <= 1 for text in mistyped)


@pytest.mark.parametrize(
    ("word", "other"),
    [("dresses", "dress"), ("dress", "dresses"), ("watch", "watches"), ("shirts", "shirt"), ("mug", "mug")],
)
def test_the_other_number_never_doubles_an_s(word: str, other: str) -> None:
    assert rewording._with_other_number(["red", word], np.random.default_rng(0)) == ["red", other]


@pytest.mark.parametrize("query", ["", "a", "45", "wh-1000xm5", "東京", "tv 65"])
def test_what_no_rule_fits_stays_or_is_reordered(query: str) -> None:
    assert all(sorted(text.split()) == sorted(query.split()) for text in drawn(query, 50))


def test_the_same_generator_gives_the_same_words() -> None:
    assert drawn(QUERY) == drawn(QUERY)
