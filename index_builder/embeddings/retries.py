"""Remembers on how many nights photos failed for a reason that may pass, so that trying them again has an end.

The file holds an entry of 24 bytes for each such photo. Where it is lost, counting begins anew.
"""

import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from artifacts.checksummed_file import read_checksummed, write_checksummed
from index_builder.core.keys import KeyIndex, Keys

MAX_NIGHTS = 7  # on which a photo is tried by itself, the first one included
_FORGET_AFTER_DAYS = 60  # entries of products that no build knows any more

_ENTRY = np.dtype([("key", "<u8", 2), ("nights", "<i4"), ("day", "<i4")])


class Retries:
    """Counts the nights of photos that fail, by product key.

    Args:
        path: file of the counts.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        content = read_checksummed(path) or b""
        whole = len(content) - len(content) % _ENTRY.itemsize
        self._entries = np.frombuffer(content[:whole], _ENTRY)
        self._index = KeyIndex(np.ascontiguousarray(self._entries["key"]))

    def are_due(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Return whether photos failed on fewer than MAX_NIGHTS nights, so that they are tried again. Shape (n,)."""
        return self._field("nights", keys) < MAX_NIGHTS

    def were_tried_on(self, keys: Keys, day: datetime.date) -> npt.NDArray[np.bool_]:
        """Return whether photos failed on this day, and had not failed on a later one. Shape (n,)."""
        tried: npt.NDArray[np.bool_] = self._field("day", keys) == day.toordinal()
        return tried

    def record(self, failed: Keys, today: datetime.date) -> None:
        """Count a night for photos that failed, once a day; keep the entries of others for some time.

        Args:
            failed: product keys, each once.
            today: day of the build.
        """
        if not len(failed) and not len(self._entries):
            return
        day = today.toordinal()
        entries = np.zeros(len(failed), _ENTRY)
        entries["key"], entries["day"] = failed, day
        counted = self._field("nights", failed) + (self._field("day", failed) != day)
        entries["nights"] = np.minimum(counted, MAX_NIGHTS)
        others = (KeyIndex(failed).find(np.ascontiguousarray(self._entries["key"])) < 0) & (
            self._entries["day"] > day - _FORGET_AFTER_DAYS
        )
        write_checksummed(self._path, np.concatenate([entries, self._entries[others]]).tobytes())

    def _field(self, name: str, keys: Keys) -> npt.NDArray[np.int32]:
        """Return a field of the entries of these keys, 0 where there is none."""
        rows = self._index.find(keys)
        values = np.zeros(len(keys), np.int32)
        values[rows >= 0] = self._entries[name][rows[rows >= 0]]
        return values
