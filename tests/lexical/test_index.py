"""BM25 against a second, slow writing; filters against brute force; damaged and equal folders."""

import contextlib
import math
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexical import LexicalError, WordIndex
from lexical.index import WordHits
from tests.lexical.words import open_words

WORDS = ["lamp", "desk", "chair", "oak", "black", "white", "large", "small", "round", "table", "vase", "glass"]
K1, B = 1.2, 0.75


def make_titles(count: int) -> list[str]:
    draw = np.random.default_rng(3)
    return [" ".join(draw.choice(WORDS, draw.integers(1, 8))) for _ in range(count)]


TITLES = make_titles(400)
BRANDS = [("oak & co", "glassworks", "")[row % 3] for row in range(len(TITLES))]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> WordIndex:
    return open_words(tmp_path_factory.mktemp("bm25") / "words", TITLES, brand=BRANDS)


def bm25(texts: list[str], query: str) -> np.ndarray:
    """Okapi's formula, one text after the other."""
    documents = [re.findall("[a-z]+", text) for text in texts]
    mean_length = sum(map(len, documents)) / len(documents)
    scores = np.zeros(len(documents))
    for word in query.split():
        having = sum(word in document for document in documents)
        idf = math.log(1 + (len(documents) - having + 0.5) / (having + 0.5))
        for row, document in enumerate(documents):
            count = document.count(word)
            length = K1 * (1 - B + B * len(document) / mean_length)
            scores[row] += idf * count * (K1 + 1) / (count + length)
    return scores


def slow_search(words: WordIndex, query: str, depth: int, mask: np.ndarray | None = None) -> WordHits:
    weights = words.fields.weights
    scores = weights["title"] * bm25(TITLES, query) + weights["brand"] * bm25(BRANDS, query)
    scores = np.round(scores, 4)
    rows = [row for row in range(len(scores)) if scores[row] > 0 and (mask is None or mask[row])]
    best = sorted(rows, key=lambda row: (-scores[row], row))[:depth]
    return WordHits(np.array(best, np.int64), scores[best].astype(np.float32))


@pytest.mark.parametrize("query", ["lamp", "oak desk", "black glass vase table", "glassworks"])
@pytest.mark.parametrize("passing", [None, 1.0, 0.4, 0.02, 0.0])
def test_search_is_bm25_of_all_products_that_pass(words: WordIndex, query: str, passing: float | None) -> None:
    mask = None if passing is None else np.random.default_rng(5).random(len(TITLES)) < passing
    hits, expected = words.search(words.understand(query), 60, mask), slow_search(words, query, 60, mask)
    assert len(hits.rows) == len(expected.rows)
    np.testing.assert_allclose(hits.scores, expected.scores, rtol=2e-4)
    sure = np.abs(np.diff(expected.scores, prepend=np.inf, append=-np.inf)) > 1e-3  # whose place no rounding changes
    both = sure[:-1] & sure[1:]
    assert hits.rows[both].tolist() == expected.rows[both].tolist()
    if mask is not None:
        assert mask[hits.rows].all()


@pytest.mark.parametrize("query", ["lamp", "oak desk black", "glassworks vase", "qqqq", ""])
def test_scores_of_given_products_are_those_of_the_search(words: WordIndex, query: str) -> None:
    asked = words.understand(query)
    rows = np.random.default_rng(7).permutation(len(TITLES))
    scores = words.scores(asked, rows)
    assert scores.dtype == np.float32
    expected = words.fields.weights["title"] * bm25(TITLES, query) + words.fields.weights["brand"] * bm25(BRANDS, query)
    np.testing.assert_allclose(scores, expected[rows], rtol=2e-4)
    hits = words.search(asked, len(TITLES))
    np.testing.assert_allclose(words.scores(asked, hits.rows), hits.scores, rtol=1e-6)
    assert np.count_nonzero(scores) == len(hits.rows)
    assert words.scores(asked, np.zeros(0, np.int64)).shape == (0,)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.sampled_from([*WORDS, "oak", "&", "qqqq"]), min_size=1, max_size=5),
    st.integers(1, 450),
    st.sampled_from([0.0, 0.005, 0.1, 0.5, 0.99, 1.0]),
    st.integers(0, 1000),
)
def test_drawn_filters(words: WordIndex, drawn: list[str], depth: int, passing: float, seed: int) -> None:
    mask = np.random.default_rng(seed).random(len(TITLES)) < passing
    query = " ".join(dict.fromkeys(drawn))
    hits, expected = words.search(words.understand(query), depth, mask), slow_search(words, query, depth, mask)
    assert len(hits.rows) == len(expected.rows) and len(set(hits.rows.tolist())) == len(hits.rows)
    assert mask[hits.rows].all()
    np.testing.assert_allclose(hits.scores, expected.scores, rtol=2e-4)
    np.testing.assert_array_equal(words.scores(words.understand(query), hits.rows), hits.scores)
    unlike = np.diff(hits.scores) != 0
    assert (unlike | (np.diff(hits.rows) > 0)).all()


def test_long_and_repeated_texts_count_as_in_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lengths beyond 40 words are rounded, and the lists are sorted in several parts."""
    monkeypatch.setattr("lexical.postings_writer._SORTED_AT_ONCE", 50)
    draw = np.random.default_rng(4)
    texts = [" ".join(draw.choice(WORDS, size)) for size in (1, 41, 300, 5000, 2, 77, 13)]
    words = open_words(tmp_path / "words", ["lamp", "vase", "", "oak", "oak oak", "", "x" * 70_000], other=texts)
    for query in ("lamp", "oak vase", "x" * 70_000):
        asked = words.understand(query)
        hits = words.search(asked, 10)
        np.testing.assert_allclose(words.scores(asked, hits.rows), hits.scores, rtol=1e-6)
        filtered = words.search(asked, 10, np.ones(7, np.bool_))
        assert sorted(filtered.rows.tolist()) == sorted(hits.rows.tolist())


def test_stems_and_joined_numbers_find_what_was_written_otherwise(tmp_path: Path) -> None:
    words = open_words(tmp_path / "words", ["Running shoe", "Headset wh1000xm5", "Television 65 inch", "Kabel 2 m"])
    for query, row in {"run shoes": 0, "wh 1000 xm5": 1, "65inch": 2}.items():
        assert words.search(words.understand(query), 1).rows.tolist() == [row], query


def test_nothing_is_found_by_words_that_no_product_has(words: WordIndex) -> None:
    for query in ("qqqq", "?!"):
        assert len(words.search(words.understand(query), 10).rows) == 0


def test_equal_products_give_equal_files_and_the_language_is_that_of_the_titles(tmp_path: Path) -> None:
    titles = ["Stuhl für den Garten", "Tisch mit Schublade", "Kissen und Decke"]
    one, other = (open_words(tmp_path / name, titles, brand=["a", "b", ""]) for name in ("one", "other"))
    assert one.fields == other.fields and one.fields.language == "german"
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(files) > 8
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes() for name in files)


def test_opening_writes_nothing(tmp_path: Path) -> None:
    open_words(tmp_path / "words", TITLES)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "words").rglob("*")}
    WordIndex.open(tmp_path / "words", len(TITLES))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "words").rglob("*")} == before


def test_folders_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    open_words(tmp_path / "words", ["a b"])
    with pytest.raises(LexicalError, match="the words of 1 products, its settings say 1, and 2 are expected"):
        WordIndex.open(tmp_path / "words", 2)
    (tmp_path / "words" / "vocabulary.txt").unlink()
    with pytest.raises(LexicalError, match="cannot be opened"):
        WordIndex.open(tmp_path / "words", 1)
    (tmp_path / "words" / "words.json").write_text('{"schema_version": 9}')
    with pytest.raises(LexicalError, match="schema version 9: this release reads 2; build"):
        WordIndex.open(tmp_path / "words", 1)


def test_a_late_lock_file_of_the_library_keeps_nothing_from_being_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tantivy's watcher makes a lock file at a moment of its own: here just before the folder that it knows goes."""
    open_words(tmp_path / "words", TITLES[:20])
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    link, remove, folders = os.symlink, os.rmdir, set()

    def link_and_remember(target: Path, path: Path) -> None:
        folders.add(path.parent)
        link(target, path)

    def remove_late(*args: Any, **options: Any) -> None:
        with contextlib.suppress(FileNotFoundError):
            (min(folders) / ".tantivy-meta.lock").touch()
        remove(*args, **options)

    monkeypatch.setattr(os, "symlink", link_and_remember)
    monkeypatch.setattr(os, "rmdir", remove_late)
    assert len(WordIndex.open(tmp_path / "words", 20).fields.weights) > 0
    assert len(folders) == 1
    assert list(temporary.iterdir()) == []
