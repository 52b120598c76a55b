"""Vectors kept on disk."""

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from towers.vector_cache import VectorCache, digest_texts

VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3)
TOWER, CONTENT = "a" * 64, "b" * 64


class Encoder:
    """Counts how often it is asked."""

    calls = 0

    def __call__(self) -> np.ndarray:
        self.calls += 1
        return VECTORS


@pytest.fixture
def cache(tmp_path: Path) -> VectorCache:
    return VectorCache(tmp_path / "cache")


def entry(cache: VectorCache) -> Path:
    (path,) = cache.folder.iterdir()
    return path


def test_what_is_kept_is_not_encoded_again(cache: VectorCache) -> None:
    encode = Encoder()
    for _ in range(3):
        np.testing.assert_array_equal(cache.get(TOWER, CONTENT, encode), VECTORS)
    assert encode.calls == 1
    assert VectorCache(cache.folder).get(TOWER, CONTENT, encode).dtype == np.float32
    assert encode.calls == 1


def test_another_tower_or_another_content_is_another_entry(cache: VectorCache) -> None:
    encode = Encoder()
    for key in ((TOWER, CONTENT), ("c" * 64, CONTENT), (TOWER, "c" * 64), (CONTENT, TOWER)):
        cache.get(*key, encode)
    assert encode.calls == 4


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:10],
        lambda content: content[:-1],
        lambda content: content[:50] + bytes([content[50] ^ 1]) + content[51:],
        lambda content: bytes(32) + content[32:],
    ],
    ids=["empty", "short", "cut", "flipped", "digest lost"],
)
def test_a_damaged_entry_is_encoded_and_written_again(cache: VectorCache, damage: object) -> None:
    encode = Encoder()
    cache.get(TOWER, CONTENT, encode)
    path = entry(cache)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))  # type: ignore[operator]
    np.testing.assert_array_equal(cache.get(TOWER, CONTENT, encode), VECTORS)
    assert encode.calls == 2
    assert path.read_bytes() == whole


def test_nothing_is_kept_of_an_encoding_that_failed(cache: VectorCache) -> None:
    def fail() -> np.ndarray:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cache.get(TOWER, CONTENT, fail)
    assert not cache.folder.exists()


def test_an_entry_is_a_digest_and_an_array_file(cache: VectorCache) -> None:
    cache.get(TOWER, CONTENT, Encoder())
    content = entry(cache).read_bytes()
    assert content[:32] == hashlib.sha256(content[32:]).digest()
    np.testing.assert_array_equal(np.load(BytesIO(content[32:]), allow_pickle=False), VECTORS)


def test_digests_tell_order_limits_and_absence() -> None:
    different = [
        (),
        ("",),
        (None,),
        ("", ""),
        ("a", "b"),
        ("b", "a"),
        ("ab",),
        ("ab", ""),
        ("a", None, "b"),
        ("1:a",),
        ("é",),
        ("e\u0301",),
    ]
    assert len({digest_texts(texts) for texts in different}) == len(different)
    assert digest_texts(iter(["a", None])) == digest_texts(["a", None])
