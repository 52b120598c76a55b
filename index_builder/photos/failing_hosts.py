"""Keeps downloads from hosts that no longer answer.

A dead host with a hundred thousand photos would delay a build for hours, with several attempts for each photo. After
many failures in a row and some time without any answer its photos fail at once, except for one attempt a minute.
"""

import time
from dataclasses import dataclass

from towers.errors import PhotoError

FAILURES_IN_A_ROW = 20  # photos, each after all its attempts
GIVE_UP_AFTER_S = 120.0  # without any answer; a busy server that answers some requests is not given up
RETRY_INTERVAL_S = 60.0  # between attempts at a host that was given up


@dataclass
class _Record:
    """The recent failures of a host; times are of the monotonic clock."""

    since_s: float  # time of its first failure since its last answer
    failures: int = 0
    tried_s: float = 0.0


class FailingHosts:
    """Remembers which hosts fail; for use in one thread."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}

    def check(self, host: str) -> None:
        """Check that a download from a host may start.

        Raises:
            PhotoError: the host was given up ("host-down").
        """
        record, now_s = self._records.get(host), time.monotonic()
        if record is None or record.failures < FAILURES_IN_A_ROW or now_s - record.since_s < GIVE_UP_AFTER_S:
            return
        if now_s - record.tried_s < RETRY_INTERVAL_S:
            raise PhotoError("host-down", f"{host} failed {record.failures} times in a row")
        record.tried_s = now_s  # this download may try; the others wait for its result

    def answered(self, host: str) -> None:
        """Record that a host answered, with a photo or with an error status."""
        self._records.pop(host, None)

    def failed(self, host: str) -> None:
        """Record that a download from a host failed in all its attempts."""
        now_s = time.monotonic()
        record = self._records.setdefault(host, _Record(since_s=now_s))
        record.failures += 1
        record.tried_s = now_s
