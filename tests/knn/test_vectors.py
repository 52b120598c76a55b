from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knn import VectorError, check_vectors, vectors

_GOOD = np.zeros((2, 4), dtype=np.float32)
_NAN = np.array([[0, 0, 0, 0], [0, np.nan, 0, 0]], dtype=np.float32)

_BAD = [
    ([[0.0] * 4], "queries: expected a numpy array, got list; use np.asarray first"),
    (_GOOD.astype(np.float64), "queries: expected float32, got float64; convert with .astype(np.float32)"),
    (_GOOD.astype(np.float16), "queries: expected float32, got float16; convert with .astype(np.float32)"),
    (_GOOD.astype(">f4"), "queries: expected float32, got >f4; convert with .astype(np.float32)"),
    (
        _GOOD[0],
        "queries: expected shape (n, width), got (4,); reshape a single vector with .reshape(1, -1)",
    ),
    (_GOOD[:, :3], "queries: expected width 4, got 3; encode with the model of this index"),
    (_GOOD[:, :0], "queries: expected a width of at least 1, got 0; check how the vectors were made"),
    (_NAN, "queries: expected finite numbers, got NaN or infinity in row 1; encode it again"),
    (
        np.full((1, 4), -np.inf, dtype=np.float32),
        "queries: expected finite numbers, got NaN or infinity in row 0; encode it again",
    ),
]


@pytest.mark.parametrize(("bad", "message"), _BAD)
def test_bad_vectors_are_refused_in_words(bad: Any, message: str) -> None:
    with pytest.raises(VectorError) as caught:
        check_vectors(bad, 4)
    assert str(caught.value) == message


def test_the_name_of_the_array_stands_in_front() -> None:
    with pytest.raises(VectorError, match=r"^block: expected width 5, got 4"):
        check_vectors(_GOOD, 5, name="block")


def test_good_vectors_come_back_uncopied() -> None:
    assert check_vectors(_GOOD, 4) is _GOOD
    assert check_vectors(_GOOD).shape == (2, 4)
    assert check_vectors(_GOOD[:0], 4).shape == (0, 4)


def test_strided_vectors_come_back_contiguous_and_equal() -> None:
    strided = np.arange(32, dtype=np.float32).reshape(4, 8)[::2, ::2]
    checked = check_vectors(strided, 4)
    assert checked.flags.c_contiguous and not strided.flags.c_contiguous
    assert np.array_equal(checked, [[0, 2, 4, 6], [16, 18, 20, 22]])


def test_a_memory_mapped_array_stays_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", _GOOD)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    assert np.shares_memory(check_vectors(mapped, 4), mapped)


@pytest.mark.parametrize("row", [0, 2, 3, 6])
def test_a_nan_is_found_in_every_block(row: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_NUMBERS_AT_ONCE", 12)  # three rows at once
    bad = np.zeros((7, 4), dtype=np.float32)
    bad[row, 3] = np.nan
    with pytest.raises(VectorError, match=f"in row {row};"):
        check_vectors(bad, 4)
