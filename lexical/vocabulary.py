"""The words of a shop, from which a word that the shop does not know is corrected.

`vocabulary.txt` has the words with the number of products that have them, and `deletions.npy` finds those that differ
from a typed word in one letter. Two words that do so become equal when a letter is taken out of one or of both, so that
the file has a checksum of each word and of each word without one letter, sorted, with the number of the word.
`spared.txt` has words that no product has, but that are words of the language: they are not corrected.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt

from lexical.tokens import fold

WORDS_FILE, DELETIONS_FILE, SPARED_FILE = "vocabulary.txt", "deletions.npy", "spared.txt"
LENGTHS = range(3, 31)  # of words that are kept
MOST_WORDS = 200_000  # the most frequent ones are kept, so that neither memory nor time grow with the shop


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words that typed words are corrected to.

    Attributes:
        words: the words, in alphabetical order.
        counts: how many products have each.
        checksums: checksums of words and of words without one letter, ascending. Shape (n,).
        numbers: the word that each checksum is of. Same shape.
        spared: words of the language that are not corrected.
    """

    words: list[str]
    counts: list[int]
    checksums: npt.NDArray[np.uint32]
    numbers: npt.NDArray[np.uint32]
    spared: frozenset[str]

    @classmethod
    def open(cls, folder: Path) -> "Vocabulary":
        """Open the files that `write_vocabulary` wrote."""
        lines = (folder / WORDS_FILE).read_text(encoding="utf-8").splitlines()
        pairs = [line.split(" ") for line in lines]
        spared = frozenset((folder / SPARED_FILE).read_text(encoding="utf-8").splitlines())
        deletions = np.load(folder / DELETIONS_FILE, mmap_mode="r", allow_pickle=False)
        return cls([word for word, _ in pairs], [int(count) for _, count in pairs], deletions[0], deletions[1], spared)

    def may_correct(self, word: str) -> bool:
        """Return whether a word is neither one of the shop's nor one of the language."""
        place = bisect_left(self.words, word)
        return not (place < len(self.words) and self.words[place] == word) and word not in self.spared

    def near(self, typed: str) -> list[tuple[str, int]]:
        """Return the words that may differ from a typed one in one letter, with their numbers of products."""
        wanted = np.unique(np.array(_checksums(typed), np.uint32))
        starts, ends = np.searchsorted(self.checksums, wanted), np.searchsorted(self.checksums, wanted, side="right")
        found = {
            int(number)
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
            for number in self.numbers[start:end]
        }
        return [(self.words[number], self.counts[number]) for number in sorted(found)]


def write_vocabulary(folder: Path, products_with: Counter[str], language_words: Iterable[str]) -> None:
    """Write the words of a shop.

    Args:
        folder: where.
        products_with: how many products have each word.
        language_words: words that are not corrected even if no product has them.
    """
    spared = sorted(kept_words(map(fold, language_words)) - products_with.keys())
    (folder / SPARED_FILE).write_text("".join(f"{word}\n" for word in spared), encoding="utf-8", newline="\n")
    frequent = sorted(products_with, key=lambda word: (-products_with[word], word))[:MOST_WORDS]
    words = sorted(frequent)
    lines = (f"{word} {products_with[word]}\n" for word in words)
    (folder / WORDS_FILE).write_text("".join(lines), encoding="utf-8", newline="\n")
    pairs = [(checksum, number) for number, word in enumerate(words) for checksum in set(_checksums(word))]
    deletions = np.array(sorted(pairs), np.uint32).reshape(-1, 2).T
    np.save(folder / DELETIONS_FILE, np.ascontiguousarray(deletions), allow_pickle=False)


def kept_words(tokens: Iterable[str]) -> set[str]:
    """Return those tokens that a vocabulary can keep: words without digits, neither short nor endless."""
    return {token for token in tokens if token.isalpha() and len(token) in LENGTHS}


def _checksums(word: str) -> list[int]:
    return [crc32(text.encode()) for text in (word, *(word[:at] + word[at + 1 :] for at in range(len(word))))]
