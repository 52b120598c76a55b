"""Send searches until SIGTERM, then print how many were answered and which failed.

Used by docker/test.sh; it needs only Python.

    python3 docker/steady.py http://127.0.0.1:8000 > result.json &   # SIGTERM ends it

Every search has a connection of its own, so that no connection pool retries a lost one. With --until-failure each of
the four threads stops at its first failure. Times are seconds since 1970.
"""

import json
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, field

_SEARCHERS = 4
_PAUSE_SECONDS = 0.02
_QUERIES = ("red striped mug", "floral cotton dress", "black leather handbag", "sneaker")


@dataclass
class Outcome:
    """The answers and failures of all searches."""

    answered: int = 0
    versions: dict[str, int] = field(default_factory=dict)  # searches answered by each version
    failures: list[tuple[float, str]] = field(default_factory=list)  # when the search began, and why it failed


def search(url: str, until_failure: bool, stop: threading.Event, outcome: Outcome, lock: threading.Lock) -> None:
    """Send searches until `stop` is set, and record each in `outcome` under `lock`."""
    turn = 0
    while not stop.wait(_PAUSE_SECONDS):
        turn += 1
        body = json.dumps({"query": _QUERIES[turn % len(_QUERIES)], "k": 10}).encode()
        request = urllib.request.Request(f"{url}/search", body, {"Content-Type": "application/json"})  # noqa: S310
        began_at = time.time()
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                version = json.load(answer)["index_version"]
        except (OSError, ValueError, KeyError) as error:
            with lock:
                outcome.failures.append((began_at, repr(error)))
            if until_failure:
                return
            continue
        with lock:
            outcome.answered += 1
            outcome.versions[version] = outcome.versions.get(version, 0) + 1


def main(url: str, until_failure: bool) -> None:
    """Search from several threads, then print the outcome as JSON."""
    stop, outcome, lock = threading.Event(), Outcome(), threading.Lock()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    arguments = (url.rstrip("/"), until_failure, stop, outcome, lock)
    threads = [threading.Thread(target=search, args=arguments) for _ in range(_SEARCHERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcome.failures.sort()
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main(sys.argv[1], "--until-failure" in sys.argv[2:])
