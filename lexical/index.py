"""The words of products, opened to be searched: BM25, identifiers and corrections."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tantivy

from lexical.build import IDENTIFIERS, INDEX_FOLDER, ROW, read_fields, schema
from lexical.errors import LexicalError
from lexical.fields import Fields
from lexical.identifiers import KINDS, asked_terms, possible_identifiers
from lexical.languages import stemmer_of
from lexical.postings import Mask, Postings, Rows, Scores
from lexical.tokens import fold, is_word, tokenize_query
from lexical.typing_errors import likelihood
from lexical.vocabulary import LENGTHS, Vocabulary

NAMED_SCORE = 1000.0  # of products that a query names by an identifier; BM25 stays far below
MOST_NAMED = 100  # products that a query names by an identifier
MOST_WORDS = 40  # of a query; further ones are neither searched nor corrected
_MOST_CANDIDATES = 8  # words that one typed word is compared with


@dataclass(frozen=True)
class QueryWords:
    """What a query asks for.

    Attributes:
        text: the text that is searched for, with typing errors corrected.
        is_corrected: whether that is another text than the one that was typed.
        terms: the stems of its words.
        named_rows: products that the query names by an identifier, best first.
    """

    text: str
    is_corrected: bool
    terms: tuple[str, ...]
    named_rows: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class WordHits:
    """Products that have words of a query, best first.

    Attributes:
        rows: their row numbers. Shape (n,).
        scores: BM25, or NAMED_SCORE for those that the query names. Same shape.
        named: how many of them, the first ones, the query names by an identifier.
    """

    rows: Rows
    scores: Scores
    named: int = 0


class WordIndex:
    """The words of products. It is immutable, and any number of threads may search it at once.

    Attributes:
        fields: what it contains.
    """

    def __init__(self, fields: Fields, searcher: tantivy.Searcher, postings: Postings, vocabulary: Vocabulary) -> None:
        self.fields = fields
        self._postings = postings
        self._searcher = searcher
        self._vocabulary = vocabulary
        self._schema = schema()
        self._stemmer = stemmer_of(fields.language)

    @classmethod
    def open(cls, folder: Path, count: int) -> "WordIndex":
        """Open a folder that `write_words` wrote; only its vocabulary is read into memory.

        Args:
            folder: the folder.
            count: the number of products whose words it is to have.

        Raises:
            LexicalError: the folder is not complete, not of this release, or has the words of other products.
        """
        fields = read_fields(folder)
        try:
            searcher = _open_searcher(folder / INDEX_FOLDER)
            postings, vocabulary = Postings.open(folder), Vocabulary.open(folder)
        except (OSError, ValueError) as error:
            raise LexicalError(f"the words in {folder} cannot be opened: {error}; build them again") from error
        if not searcher.num_docs == fields.count == count:
            raise LexicalError(
                f"{folder} has the words of {searcher.num_docs} products, its settings say {fields.count}, and "
                f"{count} are expected; build them again"
            )
        return cls(fields, searcher, postings, vocabulary)

    def understand(self, text: str, *, correct: bool = True) -> QueryWords:
        """Return what a query asks for.

        Args:
            text: the query, in its one form (artifacts/query_text.py).
            correct: whether typing errors are corrected.
        """
        named = self._named_rows(text)
        searched = self._corrected(text) if correct and not named else text
        chunks = tokenize_query(searched)
        tokens = [token for chunk in chunks for token in chunk]
        joined = _joined_numbers(chunks)
        terms = dict.fromkeys([*self._stems(tokens), *filter(self._is_known, joined)])
        return QueryWords(searched, searched != text, tuple(terms)[:MOST_WORDS], tuple(named))

    def search(self, words: QueryWords, depth: int, rows: Mask | None = None) -> WordHits:
        """Return the products with the highest scores; equal scores in the order of the rows.

        Args:
            words: what is asked for.
            depth: the most products.
            rows: which products may be found; None for all.
        """
        found_rows, scores = self._best(words.terms, depth, rows)
        named = [row for row in words.named_rows if rows is None or rows[row]][:depth]
        if not named:
            return WordHits(found_rows, scores)
        others = ~np.isin(found_rows, named)
        all_rows = np.concatenate([np.array(named, np.int64), found_rows[others]])[:depth]
        all_scores = np.concatenate([np.full(len(named), NAMED_SCORE, np.float32), scores[others]])[:depth]
        return WordHits(all_rows, all_scores, len(named))

    def scores(self, words: QueryWords, rows: Rows) -> Scores:
        """Return the BM25 scores of given products, equal to those of `search`; 0 for those without any of the words.

        Products that the query names by an identifier, which `search` puts first, have their BM25 score too.

        Args:
            words: what is asked for.
            rows: row numbers, in any order. Shape (n,).

        Returns:
            Their scores. Shape (n,).
        """
        return self._postings.scores(words.terms, rows)

    def _best(self, terms: Sequence[str], depth: int, rows: Mask | None) -> tuple[Rows, Scores]:
        if not terms or depth < 1:
            return _hits([], [])
        return self._run(self._any_of(terms), depth) if rows is None else self._postings.best(terms, depth, rows)

    def _run(self, query: tantivy.Query, depth: int) -> tuple[Rows, Scores]:
        hits = self._searcher.search(query, depth, count=False).hits
        rows = self._searcher.fast_field_values(ROW, [address for _, address in hits])
        return _hits(rows, [score for score, _ in hits])

    def _any_of(self, terms: Sequence[str]) -> tantivy.Query:
        return tantivy.Query.boolean_query(
            [
                (tantivy.Occur.Should, tantivy.Query.boost_query(self._has(field, term), weight))
                for term in terms
                for field, weight in self.fields.weights.items()
            ]
        )

    def _all_of(self, terms: Sequence[str]) -> list[tuple[tantivy.Occur, tantivy.Query]]:
        """Return conditions that each term stands in one of the fields."""
        of_fields = [
            [(tantivy.Occur.Should, self._has(field, term)) for field in self.fields.weights] for term in terms
        ]
        return [(tantivy.Occur.Must, tantivy.Query.boolean_query(of_term)) for of_term in of_fields]

    def _has(self, field: str, term: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, field, term, "basic" if field == IDENTIFIERS else "freq")

    def _stems(self, tokens: Sequence[str]) -> list[str]:
        return self._stemmer.analyze(" ".join(tokens))

    def _is_known(self, token: str) -> bool:
        (stem,) = self._stems([token]) or ("",)
        return any(self._searcher.doc_freq(field, stem) for field in self.fields.weights)

    def _named_rows(self, text: str) -> list[int]:
        """Return the products that a query names by an identifier, alone or beside words that they all have."""
        if rows := self._rows_of(asked_terms(text), ()):
            return rows
        words = text.split()
        for named, others in possible_identifiers(words[:MOST_WORDS]) if any(map(str.isdigit, text)) else ():
            rest = [token for chunk in tokenize_query(" ".join(others)) for token in chunk]
            if rest and (rows := self._rows_of(asked_terms(named), self._stems(rest))):
                return rows
        return []

    def _rows_of(self, identifiers: Sequence[str], also: Sequence[str]) -> list[int]:
        """Return the products with one of these identifiers and all of some stems, by kind of identifier and row."""
        known = [term for term in identifiers if self._searcher.doc_freq(IDENTIFIERS, term)]
        found: dict[int, None] = {}
        for term in sorted(known, key=lambda term: KINDS.index(term.split(":", 1)[0])):
            conditions = [(tantivy.Occur.Must, self._has(IDENTIFIERS, term)), *self._all_of(also)]
            rows, _ = self._run(tantivy.Query.boolean_query(conditions), MOST_NAMED)
            found.update(dict.fromkeys(sorted(rows.tolist())))
        return list(found)[:MOST_NAMED]

    def _corrected(self, text: str) -> str:
        """Return a query with typing errors corrected: words that no product has, and that are near one of the shop.

        Nothing with a digit is corrected, no word is split and none are joined.
        """
        words = fold(text).split(" ")
        whole = [self._single_word(word) for word in words]
        unknown = [
            place for place, word in enumerate(whole[:MOST_WORDS]) if word and self._vocabulary.may_correct(word)
        ]
        if not unknown:
            return text
        others = [word for word in whole if word and self._is_known(word)]
        better = {place: self._nearest(whole[place], others) for place in unknown}
        if not any(better.values()):
            return text
        typed = text.split(" ")
        return " ".join(
            words[place].replace(whole[place], replaced) if (replaced := better.get(place)) else word
            for place, word in enumerate(typed)
        )

    def _single_word(self, text: str) -> str:
        """Return the word that a piece of a query holds beside signs; empty unless it is one that can be corrected."""
        chunks = tokenize_query(text)
        if len(chunks) != 1 or len(chunks[0]) != 1:
            return ""
        (token,) = chunks[0]
        return token if is_word(token) and len(token) in LENGTHS else ""

    def _nearest(self, typed: str, others: Sequence[str]) -> str | None:
        """Return the word that was most likely meant; None if no word of the shop is near."""
        plain = [
            (value, word, products)
            for word, products in self._vocabulary.near(typed)
            if (value := likelihood(typed, word, products, False)) is not None
        ]
        if self._is_known(typed):  # by its stem: it is another form of a word, or lacks a letter of one
            of_stem = self._stems([typed])
            forms = [near for near in plain if self._stems([near[1]]) == of_stem]
            plain = [] if any(_is_prefix(typed, word) for _, word, _ in forms) else forms
        likely = sorted(plain, reverse=True)[:_MOST_CANDIDATES]
        if not likely:
            return None
        stems = self._stems([word for word in others if word != typed])
        ranked = [
            (likelihood(typed, word, products, bool(stems) and self._are_together(word, stems)) or 0.0, word)
            for _, word, products in likely
        ]
        return max(ranked)[1]

    def _are_together(self, word: str, stems: Sequence[str]) -> bool:
        conditions = self._all_of([*self._stems([word]), *stems])
        return bool(self._searcher.search(tantivy.Query.boolean_query(conditions), 1, count=False).hits)


def _hits(rows: Sequence[object], scores: Sequence[float]) -> tuple[Rows, Scores]:
    found, values = np.array(rows, np.int64), np.array(scores, np.float32)
    order = np.lexsort((found, -values))
    return found[order], values[order]


def _is_prefix(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _joined_numbers(chunks: Sequence[Sequence[str]]) -> list[str]:
    """Return neighbours of a query as one word where one of them has a digit: `wh 1000 xm5` as `wh1000xm5`."""
    whole = [chunk[-1] if len(chunk) > 1 else chunk[0] for chunk in chunks]
    joined = ["".join(whole[start : start + length]) for length in (2, 3) for start in range(len(whole) - length + 1)]
    return [word for word in joined if any(map(str.isdigit, word)) and word.isalnum()]


def _open_searcher(folder: Path) -> tantivy.Searcher:
    """Open an inverted index without writing into its folder, which may be read-only.

    Tantivy makes a lock file beside the files that it opens, and they are opened once. So it opens links to them. Its
    watcher of changes may read them once more, and make the lock file, at any later moment; the links are moved away
    first, where it does not find them, and so nothing appears in a folder that is being removed.
    """
    with tempfile.TemporaryDirectory(prefix="vitrine-words-") as room:
        links = Path(room) / "opened"
        links.mkdir()
        for name in os.listdir(folder):
            os.symlink((folder / name).resolve(), links / name)
        try:
            index = tantivy.Index.open(str(links))
            index.config_reader("manual")
            index.reload()
            return index.searcher()
        finally:
            links.rename(Path(room) / "closed")
