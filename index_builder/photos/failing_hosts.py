"""Hosts that answer nobody any more.

A dead host with a hundred thousand photos would hold a build for hours, each photo with all its attempts. After many
failures in a row and some time without any answer its photos are given up at once, but for one try now and then.
"""

import time
from dataclasses import dataclass

from towers.errors import PhotoError

FAILURES_IN_A_ROW = 20  # photos, each after all its attempts
GIVE_UP_AFTER_S = 120.0  # a busy server that still answers some is waited for
RETRY_INTERVAL_S = 60.0  # between tries of a host that was given up


@dataclass
class _Record:
    """How a host did lately; times are of the monotonic clock."""

    since_s: float  # of its last answer, or of its first failure
    failures: int = 0
    tried_s: float = 0.0


class FailingHosts:
    """Remembers which hosts fail. For one thread."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}

    def check(self, host: str) -> None:
        """Let a download begin.

        Raises:
            PhotoError: the host was given up ("host-down").
        """
        record, now_s = self._records.get(host), time.monotonic()
        if record is None or record.failures < FAILURES_IN_A_ROW or now_s - record.since_s < GIVE_UP_AFTER_S:
            return
        if now_s - record.tried_s < RETRY_INTERVAL_S:
            raise PhotoError("host-down", f"{host} failed {record.failures} times in a row")
        record.tried_s = now_s  # this one may try; the others wait for its answer

    def answered(self, host: str) -> None:
        """The host gave a photo, or said that it has none."""
        self._records.pop(host, None)

    def failed(self, host: str) -> None:
        """A download was given up after all its attempts."""
        now_s = time.monotonic()
        record = self._records.setdefault(host, _Record(since_s=now_s))
        record.failures += 1
        record.tried_s = now_s
