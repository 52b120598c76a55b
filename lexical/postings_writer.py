"""Writes the lists of `lexical/postings.py`.

Products come one after the other, but a list has all products with a stem, and a share of a score needs to know how
many there are. So the words of some products at a time are sorted by stem and kept in a file. In the end these files
are read once more, and what one holds of a list is written behind what the files before it held.
"""

import tempfile
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from lexical.bm25 import inverse_frequencies, rounded_lengths, shares
from lexical.postings import ROWS_FILE, SHARES_FILE, STARTS_FILE, STEMS_FILE

_SORTED_AT_ONCE = 3_000_000  # words of products
_FIELD_BITS = 8

Integers = npt.NDArray[np.int64]
Checksums = npt.NDArray[np.uint64]


class PostingsWriter:
    """Collects the stems of products, whose rows are numbered as they come. A context that removes its own files."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        """Start with no product.

        Args:
            weights: what a word weighs in each field.
        """
        self._weights = weights
        self._room = tempfile.TemporaryDirectory(prefix="vitrine-postings-")
        self._sorted = list[Path]()
        self._stems, self._places = array("Q"), array("Q")  # of each word: its stem; its product and field
        self._lengths = [array("I") for _ in weights]  # of each field: the number of words of each product
        self._count = 0

    def __enter__(self) -> "PostingsWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._room.cleanup()

    def add(self, stems: Mapping[str, Sequence[int]]) -> None:
        """Add a product.

        Args:
            stems: the checksums of the stems of its words, by field.
        """
        for number, (field, lengths) in enumerate(zip(self._weights, self._lengths, strict=True)):
            of_field = stems.get(field, ())
            lengths.append(len(of_field))
            self._stems.extend(of_field)
            self._places.extend([self._count << _FIELD_BITS | number] * len(of_field))
        self._count += 1
        if len(self._stems) >= _SORTED_AT_ONCE:
            self._sort()

    def write(self, folder: Path) -> None:
        """Write the lists of all products into a folder."""
        self._sort()
        stems = np.unique(np.concatenate([np.zeros(0, np.uint64), *(_Words.read(file).stems for file in self._sorted)]))
        sizes, having = np.zeros(len(stems), np.int64), np.zeros((len(self._weights), len(stems)), np.int64)
        for words in map(_Words.read, self._sorted):
            numbers = stems.searchsorted(words.stems)
            sizes += np.bincount(numbers[words.firsts], minlength=len(stems))
            for field, of_field in enumerate(having):
                of_field += np.bincount(numbers[words.fields == field], minlength=len(stems))
        starts = np.concatenate([[0], np.cumsum(sizes)])
        np.save(folder / STEMS_FILE, stems, allow_pickle=False)
        np.save(folder / STARTS_FILE, starts, allow_pickle=False)
        rows = np.lib.format.open_memmap(folder / ROWS_FILE, "w+", np.uint32, (int(starts[-1]),))
        values = np.lib.format.open_memmap(folder / SHARES_FILE, "w+", np.float32, (int(starts[-1]),))
        rarities = inverse_frequencies(having, self._count)
        ends = starts[:-1].copy()
        for words in map(_Words.read, self._sorted):
            numbers = stems.searchsorted(words.stems)
            of_pairs = numbers[words.firsts]
            before = np.arange(len(of_pairs)) - of_pairs.searchsorted(of_pairs)  # of the same list, in this file
            targets = ends[of_pairs] + before
            rows[targets] = words.rows[words.firsts]
            values[targets] = np.add.reduceat(self._shares(words, numbers, rarities), words.firsts)
            ends += np.bincount(of_pairs, minlength=len(stems))
        rows.flush()
        values.flush()

    def _shares(self, words: "_Words", numbers: Integers, rarities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return what each word adds to the score of its product."""
        values = np.zeros(len(numbers), np.float32)
        for field, weight in enumerate(self._weights.values()):
            of_field = np.flatnonzero(words.fields == field)
            all_lengths = np.frombuffer(self._lengths[field], np.uint32)
            mean = float(all_lengths.mean()) if len(of_field) else 1.0
            lengths = rounded_lengths(all_lengths[words.rows[of_field]].astype(np.int64))
            rare = rarities[field, numbers[of_field]]
            values[of_field] = shares(words.times[of_field], lengths, mean, rare, weight)
        return values

    def _sort(self) -> None:
        """Sort the words that were added since the last time, and keep them in a file."""
        if self._stems:
            self._sorted.append(Path(self._room.name) / f"{len(self._sorted)}.npz")
            stems, places = np.frombuffer(self._stems, np.uint64), np.frombuffer(self._places, np.uint64)
            _Words.of(stems, places).write(self._sorted[-1])
            self._stems, self._places = array("Q"), array("Q")


@dataclass(frozen=True, eq=False)
class _Words:
    """Stems of products, sorted by stem, product and field, each once. All shapes but the last are equal.

    Attributes:
        stems: the checksum of each.
        rows: its product.
        fields: its field.
        times: how often the field of the product has it.
        firsts: where a stem of a product comes for the first time, whatever the field.
    """

    stems: Checksums
    rows: Integers
    fields: Integers
    times: Integers
    firsts: Integers

    @classmethod
    def of(cls, stems: Checksums, places: Checksums) -> "_Words":
        order = np.lexsort((places, stems))
        stems, places = stems[order], places[order]
        at = np.flatnonzero(_changes(stems) | _changes(places))
        rows = (places[at] >> _FIELD_BITS).astype(np.int64)
        fields = (places[at] & (2**_FIELD_BITS - 1)).astype(np.int64)
        times = np.diff(at, append=len(stems))
        return cls(stems[at], rows, fields, times, np.flatnonzero(_changes(stems[at]) | _changes(rows)))

    @classmethod
    def read(cls, file: Path) -> "_Words":
        with np.load(file, allow_pickle=False) as arrays:
            return cls(*(arrays[name] for name in ("stems", "rows", "fields", "times", "firsts")))

    def write(self, file: Path) -> None:
        np.savez(file, stems=self.stems, rows=self.rows, fields=self.fields, times=self.times, firsts=self.firsts)


def _changes(values: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Return where a value differs from the one before it, as the first one does."""
    return np.concatenate([[True], values[1:] != values[:-1]])[: len(values)]
