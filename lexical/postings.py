"""Which products have each stem, and what it adds to their BM25 scores: for products that are known beforehand.

The inverted index of tantivy finds the best of all products, and skips blocks of those that cannot be among them. It
cannot score given products, nor skip those that a filter excludes. These lists can: for each stem the rows of the
products that have it, ascending, and beside each row the stem's share of the score, over all fields.

    stems.npy     a checksum of each stem, ascending. Shape (s,).
    starts.npy    where the list of each stem starts, and the end of the last. Shape (s + 1,).
    rows.npy      the lists, one after the other. Shape (n,).
    shares.npy    the shares of the scores. Same shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

STEMS_FILE, STARTS_FILE, ROWS_FILE, SHARES_FILE = "stems.npy", "starts.npy", "rows.npy", "shares.npy"

Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def checksum(stem: str) -> int:
    """Return the number of 64 bits by which a stem is found; two stems of a shop do not have the same."""
    return int.from_bytes(blake2b(stem.encode(), digest_size=8).digest(), "little")


@dataclass(frozen=True, eq=False)
class Postings:
    """The lists of a folder of words, mapped from its files: only what is read is in memory.

    Attributes:
        stems: see the head of this file, as the others.
        starts: where lists start.
        rows: rows of products.
        shares: shares of scores.
    """

    stems: npt.NDArray[np.uint64]
    starts: Rows
    rows: npt.NDArray[np.uint32]
    shares: Scores

    @classmethod
    def open(cls, folder: Path) -> "Postings":
        """Open the files that `PostingsWriter` wrote."""
        names = (STEMS_FILE, STARTS_FILE, ROWS_FILE, SHARES_FILE)
        return cls(*(np.asarray(np.load(folder / name, mmap_mode="r", allow_pickle=False)) for name in names))

    def scores(self, stems: Sequence[str], rows: Rows) -> Scores:
        """Return the BM25 scores of products; 0 for those that have none of the stems. Shape (rows,).

        Args:
            stems: the stems of a query, each once.
            rows: row numbers, in any order. Shape (rows,).
        """
        order = np.argsort(rows, kind="stable")
        wanted = rows[order].astype(np.uint32)
        scores = np.zeros(len(rows), np.float32)
        for start, end in map(self._list_of, stems):
            having = self.rows[start:end]
            places = having.searchsorted(wanted)
            places[places == end - start] = 0
            found = (having[places] == wanted) if end > start else np.zeros(len(rows), np.bool_)
            scores[order[found]] += self.shares[start:end][places[found]]
        return scores

    def best(self, stems: Sequence[str], depth: int, passing: Mask) -> tuple[Rows, Scores]:
        """Return the products with the highest scores among those that pass; equal scores in the order of the rows.

        Args:
            stems: the stems of a query, each once.
            depth: the most products.
            passing: which products may be found. Shape (products,).
        """
        lists = [self._passing_of(stem, passing) for stem in stems]
        scores = np.zeros(len(passing), np.float32)  # of pages that the system gives only where something is written
        for rows, shares in lists:
            scores[rows] += shares
        # Each of the best products is among the best of a list in which it stands.
        likely = np.unique(np.concatenate([_best_of(rows, scores, depth) for rows, _ in lists])).astype(np.int64)
        best = likely[np.lexsort((likely, -scores[likely]))[:depth]]
        return best, scores[best]

    def _passing_of(self, stem: str, passing: Mask) -> tuple[npt.NDArray[np.uint32], Scores]:
        start, end = self._list_of(stem)
        kept = np.flatnonzero(passing[self.rows[start:end]])
        return self.rows[start:end][kept], self.shares[start:end][kept]

    def _list_of(self, stem: str) -> tuple[int, int]:
        """Return where the list of a stem starts and ends; (0, 0) if no product has it."""
        number = np.uint64(checksum(stem))
        place = int(self.stems.searchsorted(number))
        if place == len(self.stems) or self.stems[place] != number:
            return 0, 0
        return int(self.starts[place]), int(self.starts[place + 1])


def _best_of(rows: npt.NDArray[np.uint32], scores: Scores, depth: int) -> npt.NDArray[np.uint32]:
    """Return those of some products that have the highest scores, and all that have the score of the last of them."""
    if len(rows) <= depth:
        return rows
    of_rows = scores[rows]
    last = np.partition(of_rows, len(rows) - depth)[len(rows) - depth]
    return rows[np.flatnonzero(of_rows >= last)]
