from concurrent.futures import ThreadPoolExecutor
from typing import Any

import faiss
import pytest

from knn import ArgumentError, one_thread, set_threads


def test_the_number_belongs_to_the_calling_thread() -> None:
    def count_threads(thread_count: int) -> tuple[int, int]:
        before = faiss.omp_get_max_threads()
        set_threads(thread_count)
        return before, faiss.omp_get_max_threads()

    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        default, set_there = one.submit(count_threads, 3).result()
        assert set_there == 3
        assert other.submit(count_threads, 5).result() == (default, 5)
        assert one.submit(faiss.omp_get_max_threads).result() == 3


def test_it_serves_as_the_initializer_of_a_pool() -> None:
    with ThreadPoolExecutor(1, initializer=set_threads, initargs=(3,)) as pool:
        assert pool.submit(faiss.omp_get_max_threads).result() == 3


@pytest.mark.parametrize("thread_count", [0, -1, 1.0, True, None])
def test_bad_numbers(thread_count: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        set_threads(thread_count)
    assert str(caught.value) == f"thread_count: expected a whole number of at least 1, got {thread_count!r}"


def test_one_thread_for_a_while_and_as_before_afterwards() -> None:
    def count_threads() -> list[int]:
        set_threads(3)
        counts = [faiss.omp_get_max_threads()]
        with pytest.raises(KeyError), one_thread():
            counts.append(faiss.omp_get_max_threads())
            raise KeyError
        return [*counts, faiss.omp_get_max_threads()]

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(count_threads).result() == [3, 1, 3]
