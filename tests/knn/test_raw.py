import numpy as np
import pytest

from knn import KnnError
from knn.raw import raw_search


class _BrokenIndex:
    """An index that fails as FAISS does."""

    ntotal = 10

    def __init__(self, error: Exception) -> None:
        self._error = error

    def search(self, *_: object, **__: object) -> None:
        raise self._error


@pytest.mark.parametrize("error", [RuntimeError("Error in faiss"), AssertionError()])
def test_errors_of_faiss_become_ours(error: Exception) -> None:
    with pytest.raises(KnnError, match=r"^FAISS could not search _BrokenIndex for 3 neighbours: ") as caught:
        raw_search(_BrokenIndex(error), np.zeros((1, 4), dtype=np.float32), 3, None)  # type: ignore[arg-type]
    assert caught.value.__cause__ is error


def test_no_query_asks_nothing() -> None:
    empty = np.zeros((0, 4), dtype=np.float32)
    assert raw_search(_BrokenIndex(RuntimeError()), empty, 3, None).rows.shape == (0, 3)  # type: ignore[arg-type]


def test_no_more_is_asked_of_faiss_than_the_index_holds() -> None:
    class Recorder:
        ntotal = 10

        def search(self, queries: np.ndarray, k: int, params: object) -> tuple[np.ndarray, np.ndarray]:
            assert k == 10 and params is None
            return np.zeros((len(queries), k), np.float32), np.tile(np.arange(k), (len(queries), 1))

    found = raw_search(Recorder(), np.zeros((2, 4), np.float32), 1_000, None)  # type: ignore[arg-type]
    assert found.rows.shape == (2, 1_000) and found.found.tolist() == [10, 10]
