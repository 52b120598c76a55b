"""The size of a cache is bounded in bytes, and the least recently used values are dropped first."""

from hypothesis import given
from hypothesis import strategies as st

from service.core.bounded_cache import BoundedCache

MAX_BYTES = 10


def test_the_least_used_goes_first() -> None:
    cache: BoundedCache[str, str] = BoundedCache(MAX_BYTES, len)
    cache.put("a", "1234")
    cache.put("b", "1234")
    assert cache.get("a") == "1234"
    cache.put("c", "1234")
    assert cache.get("b") is None
    assert (cache.get("a"), cache.get("c"), cache.bytes) == ("1234", "1234", 8)


def test_what_is_too_large_is_not_kept_and_drives_nothing_out() -> None:
    cache: BoundedCache[str, str] = BoundedCache(MAX_BYTES, len)
    cache.put("a", "1234")
    cache.put("b", "12345678901")
    assert cache.get("b") is None
    assert cache.get("a") == "1234"


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12)), max_size=40))
def test_its_bytes_are_those_of_what_it_keeps(puts: list[tuple[int, int]]) -> None:
    cache: BoundedCache[int, str] = BoundedCache(MAX_BYTES, len)
    for key, size in puts:
        cache.put(key, "x" * size)
    kept = [value for key in range(5) if (value := cache.get(key)) is not None]
    assert cache.bytes == sum(map(len, kept)) <= MAX_BYTES
    cache.clear()
    assert cache.bytes == 0
    assert all(cache.get(key) is None for key in range(5))
