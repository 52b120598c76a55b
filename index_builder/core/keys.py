"""Product keys: 16-byte hashes of the text and photos that a vector was made of.

Shape of keys: (n, 2), uint64.
"""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

KEY_BYTES = 16
NO_PHOTO = b""  # photo identity of a product that is encoded from its text alone

Keys = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


def product_key(text: str, photo: bytes) -> bytes:
    """Return the key of a text and the identity of its photos, see `photos_identity`."""
    encoded = text.encode()
    return hashlib.blake2b(b"%d:%b%b" % (len(encoded), encoded, photo), digest_size=KEY_BYTES).digest()


def url_identity(url: str) -> bytes:
    """Return the identity of a photo behind a URL: the URL, since only a download would show its content."""
    return b"url " + url.encode()


def content_identity(sha256: bytes) -> bytes:
    """Return the identity of a photo in a file: its content, whatever its path."""
    return b"content " + sha256


def photos_identity(photos: Sequence[bytes]) -> bytes:
    """Return the identity of a product's photos together: of one photo its own; NO_PHOTO ones do not count."""
    given = [photo for photo in photos if photo != NO_PHOTO]
    if len(given) < 2:
        return given[0] if given else NO_PHOTO
    return b"photos " + b"".join(b"%d:%b" % (len(photo), photo) for photo in given)


def joined_keys(keys: Iterable[bytes]) -> Keys:
    """Return keys as an array, (n, 2)."""
    return np.frombuffer(b"".join(keys), "<u8").reshape(-1, 2)


def first_rows(keys: Keys) -> Rows:
    """Return the rows at which a key occurs for the first time, ascending."""
    order = _order(keys)
    ordered = keys[order]
    is_first = np.ones(len(keys), np.bool_)
    is_first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    return np.sort(order[is_first])


class KeyIndex:
    """Looks up the row of a key among many; of a repeated key the last row."""

    def __init__(self, keys: Keys) -> None:
        self._order = _order(keys)
        self._keys = keys[self._order]

    def find(self, wanted: Keys) -> Rows:
        """Return the row of each wanted key, -1 where it is missing. Shape (n,)."""
        rows = np.full(len(wanted), -1, np.int64)
        if not len(self._keys):
            return rows
        high, low = self._keys[:, 0], self._keys[:, 1]
        found = np.searchsorted(high, wanted[:, 0], side="right") - 1
        while True:  # runs once, except where two keys share their first half, which is rare
            halfway = (found >= 0) & (high[found] == wanted[:, 0])
            elsewhere = halfway & (low[found] != wanted[:, 1])
            if not elsewhere.any():
                break
            found[elsewhere] -= 1
        rows[halfway] = self._order[found[halfway]]
        return rows


def _order(keys: Keys) -> Rows:
    """Return the order that sorts keys; equal keys stay in the order of their rows."""
    return np.lexsort((keys[:, 1], keys[:, 0])).astype(np.int64)
