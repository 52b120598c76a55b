"""The size of a cache is bounded in bytes, keys included, and the least recently used values are dropped first."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from service.core.bounded_cache import ENTRY_BYTES, BoundedCache

LETTER_BYTES = ENTRY_BYTES + sys.getsizeof("a")  # of an entry whose key is a letter, without its value
MAX_BYTES = 2 * LETTER_BYTES + 10


def test_the_least_used_goes_first() -> None:
    cache: BoundedCache[str, str] = BoundedCache(MAX_BYTES, len)
    cache.put("a", "1234")
    cache.put("b", "1234")
    assert cache.get("a") == "1234"
    cache.put("c", "1234")
    assert cache.get("b") is None
    assert (cache.get("a"), cache.get("c"), cache.bytes) == ("1234", "1234", 2 * LETTER_BYTES + 8)


def test_what_is_too_large_is_not_kept_and_drives_nothing_out() -> None:
    cache: BoundedCache[str, str] = BoundedCache(MAX_BYTES, len)
    cache.put("a", "1234")
    cache.put("b", "x" * (MAX_BYTES - LETTER_BYTES + 1))
    assert cache.get("b") is None
    assert cache.get("a") == "1234"


def test_keys_count_with_all_their_parts() -> None:
    cache: BoundedCache[tuple[str, tuple[str, int]], str] = BoundedCache(10_000, len)
    for number in range(10):
        cache.put(("a" * 2_000, ("b" * 2_000, number)), "")
    assert 2 * (4_000 + ENTRY_BYTES) < cache.bytes <= 10_000
    assert cache.get(("a" * 2_000, ("b" * 2_000, 7))) is None
    assert cache.get(("a" * 2_000, ("b" * 2_000, 8))) == ""


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12)), max_size=40))
def test_its_bytes_are_those_of_what_it_keeps(puts: list[tuple[int, int]]) -> None:
    cache: BoundedCache[str, str] = BoundedCache(MAX_BYTES, len)
    for key, size in puts:
        cache.put("abcde"[key], "x" * size)
    kept = [value for key in "abcde" if (value := cache.get(key)) is not None]
    assert cache.bytes == sum(LETTER_BYTES + len(value) for value in kept) <= MAX_BYTES
    cache.clear()
    assert cache.bytes == 0
    assert all(cache.get(key) is None for key in "abcde")
