"""Reads each distinct value of a column once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Value = TypeVar("Value")


@dataclass(frozen=True)
class Unusable:
    """A value that cannot be read, and why."""

    reason: str


@dataclass(frozen=True, eq=False)
class ReadColumn(Generic[Value]):
    """What was read of a column.

    Attributes:
        values: of each row; None where there is none, or none that can be used.
        faults: rows whose value cannot be used, with the value and the reason.
    """

    values: list[Value | None]
    faults: list[tuple[int, str, str]]


def read_column(column: pa.Array, read: Callable[[str], Value | Unusable | None]) -> ReadColumn[Value]:
    """Return what a function reads of the values of a column."""
    encoded = column.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    found = [read(text) for text in texts]
    codes = _codes(encoded)
    usable = [None if isinstance(value, Unusable) else value for value in found]
    values = [usable[code] if code >= 0 else None for code in codes.tolist()]
    bad = np.array([isinstance(value, Unusable) for value in found] + [False])  # the last one is that of null, -1
    faults = [
        (int(row), texts[codes[row]], value.reason)
        for row in np.flatnonzero(bad[codes])
        if isinstance(value := found[codes[row]], Unusable)
    ]
    return ReadColumn(values, faults)


def distinct(column: pa.Array) -> list[tuple[str, int]]:
    """Return the distinct values of a column, and how many rows have each."""
    counted = column.drop_null().value_counts()
    return list(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))


def _codes(encoded: pa.DictionaryArray) -> npt.NDArray[np.int64]:
    return np.asarray(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
