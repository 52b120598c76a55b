"""The search engine of the sample shop, against BM25 written a second time over the titles of a whole shop."""

import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import Stemmer
from bm25s.stopwords import STOPWORDS_EN

from training.sample_shop.search_engine import CANDIDATES, POPULARITY_WEIGHT, SearchEngine

Scores = dict[int, float]
STEM = Stemmer.Stemmer("english")


@pytest.fixture(scope="module")
def texts(shop: Path) -> list[str]:
    catalogue = pq.read_table(shop / "catalog.parquet")
    return [f"{row['title']} {row['category']}" for row in catalogue.to_pylist()]


@pytest.fixture(scope="module")
def popularity(shop: Path) -> list[float]:
    found: list[float] = pq.read_table(shop / "attributes.parquet")["popularity"].to_pylist()
    return found


@pytest.fixture(scope="module")
def engine(texts: list[str], popularity: list[float]) -> SearchEngine:
    return SearchEngine(texts, np.array(popularity))


def words(text: str) -> list[str]:
    """The stems of a text."""
    found = re.findall(r"\w\w+", text.lower())
    return [STEM.stemWord(word) for word in found if word not in STOPWORDS_EN]


def slow_scores(query: str, texts: list[str], popularity: list[float]) -> Scores:
    """BM25 with Lucene's idf, and the bonus of popular products, by product that has a word of the query."""
    bags = [Counter(words(text)) for text in texts]
    mean_length = sum(bag.total() for bag in bags) / len(bags)
    mean_popularity = sum(popularity) / len(popularity)
    scores: Scores = {}
    for row, bag in enumerate(bags):
        score = 0.0
        for word in words(query):
            having = sum(word in other for other in bags)
            idf = math.log(1 + (len(bags) - having + 0.5) / (having + 0.5))
            score += idf * bag[word] / (bag[word] + 1.5 * (1 - 0.75 + 0.75 * bag.total() / mean_length))
        if score:
            scores[row] = score + POPULARITY_WEIGHT * math.log(popularity[row] / mean_popularity)
    return scores


def test_candidates_are_the_best_by_bm25_and_popularity(
    engine: SearchEngine, texts: list[str], popularity: list[float], shop: Path
) -> None:
    queries = pq.read_table(shop / "intents.parquet")["query"].to_pylist()[::100]
    for query, found in zip(queries, engine.search(queries), strict=True):
        slow = slow_scores(query, texts, popularity)
        assert dict(zip(found.products.tolist(), found.scores.tolist(), strict=True)) == pytest.approx(
            {row: slow[row] for row in found.products.tolist()}, abs=1e-5
        ), query
        assert found.scores.tolist() == pytest.approx(sorted(slow.values(), reverse=True)[:CANDIDATES], abs=1e-5)


@pytest.mark.parametrize("query", ["kiets", "in", "?!", ""])
def test_a_query_without_a_word_of_the_catalogue_finds_nothing(engine: SearchEngine, query: str) -> None:
    [found] = engine.search([query])
    assert (len(found.products), len(found.scores)) == (0, 0)


def test_words_of_the_category_count(engine: SearchEngine, texts: list[str]) -> None:
    [found] = engine.search(["accessories"])
    assert len(found.products) == min(CANDIDATES, sum(text.endswith(" accessories") for text in texts))
    assert all(texts[row].endswith(" accessories") for row in found.products)


def test_of_products_with_the_same_words_the_popular_one_is_first() -> None:
    engine = SearchEngine(["Red mug", "Red mug", "Blue mug"], np.array([1.0, 3.0, 2.0]))
    [found] = engine.search(["red mugs"])
    assert found.products.tolist() == [1, 0, 2]
