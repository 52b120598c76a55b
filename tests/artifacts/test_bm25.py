"""Word search over texts: what is found, in which order, and what is not; tests of the formula are with its users."""

import numpy as np
import pytest

from artifacts.bm25 import Bm25Index


def test_more_places_than_texts_stay_empty() -> None:
    rows, scores = Bm25Index(["red mug", "blue lamp", "red lamp"]).search(["red lamps", "sofa", ""], depth=5)
    assert rows.tolist() == [[2, 0, 1, -1, -1], [-1] * 5, [-1] * 5]
    assert scores[0, 0] > scores[0, 1] == scores[0, 2] and np.isneginf(scores[rows < 0]).all()


def test_texts_with_equal_scores_stand_in_their_order() -> None:
    rows, scores = Bm25Index(["blue", "red mug", "red mug", "red mug"]).search(["mug"], depth=3)
    assert rows.tolist() == [[1, 2, 3]] and scores[0, 0] == scores[0, 1]


def test_all_scores_are_those_of_the_search() -> None:
    index = Bm25Index(["red mug", "blue lamp", "red lamp"])
    rows, scores = index.search(["red lamp"], depth=3)
    [every] = index.all_scores(["red lamp"])
    assert every[rows[0]] == pytest.approx(scores[0])


@pytest.mark.parametrize("texts", [[], ["", "the"]])
def test_without_a_word_nothing_is_found(texts: list[str]) -> None:
    index = Bm25Index(texts)
    assert index.search(["red"], depth=3)[0].tolist() == [[-1, -1, -1]]
    assert [found.tolist() for found in index.all_scores(["red"])] == [[0.0] * len(texts)]


def test_progress_counts_every_query() -> None:
    counted: list[int] = []
    Bm25Index(["red mug"]).search(["red"] * 300, 1, counted.append)
    assert sum(counted) == 300
