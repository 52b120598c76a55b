"""Keys of titles and photos: equal for what is equal, and found again among others."""

import hashlib

import numpy as np
import pytest

from index_builder.core.keys import (
    NO_PHOTO,
    KeyIndex,
    content_identity,
    first_rows,
    joined_keys,
    product_key,
    url_identity,
)


def test_a_key_says_title_and_photo() -> None:
    expected = hashlib.blake2b(b"5:caf\xc3\xa9url https://shop.example/a", digest_size=16).digest()
    assert product_key("café", url_identity("https://shop.example/a")) == expected


def test_whatever_differs_gives_another_key() -> None:
    photos = [NO_PHOTO, url_identity("http://a"), content_identity(bytes(32)), content_identity(bytes(31) + b"1")]
    titles = ["", "a", "aurl http://a", "1:a"]
    assert len({product_key(title, photo) for title in titles for photo in photos}) == 16


def test_keys_are_joined_as_they_are() -> None:
    keys = [product_key(str(number), NO_PHOTO) for number in range(5)]
    joined = joined_keys(keys)
    assert (joined.shape, joined.dtype) == ((5, 2), np.uint64)
    assert [key.tobytes() for key in joined] == keys
    assert joined_keys([]).shape == (0, 2)


@pytest.mark.parametrize("seed", range(5))
def test_the_last_place_of_a_key_is_found(seed: int) -> None:
    """Numbers so small that many keys share their first half, or both."""
    rng = np.random.default_rng(seed)
    keys, wanted = (rng.integers(0, 4, (count, 2)).astype(np.uint64) for count in (30, 200))
    places = {tuple(key): row for row, key in enumerate(keys.tolist())}
    expected = [places.get(tuple(key), -1) for key in (wanted + 1).tolist()]
    assert KeyIndex(keys).find(wanted + 1).tolist() == expected
    assert {-1} < set(expected)


def test_nothing_is_found_among_nothing() -> None:
    assert KeyIndex(joined_keys([])).find(joined_keys([bytes(16)] * 2)).tolist() == [-1, -1]
    assert KeyIndex(joined_keys([bytes(16)])).find(joined_keys([])).tolist() == []


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_first_rows_are_those_of_distinct_keys(count: int) -> None:
    keys = np.random.default_rng(count).integers(0, 5, (count, 2)).astype(np.uint64)
    firsts: dict[tuple[int, ...], int] = {}
    for row, key in enumerate(keys.tolist()):
        firsts.setdefault(tuple(key), row)
    assert first_rows(keys).tolist() == sorted(firsts.values())
