"""The lock of a pool: one build with a model runs at a time, and another one says whom it waits for."""

import datetime
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from artifacts.errors import StoreError
from artifacts.leases import Lease
from artifacts.locks import locked
from index_builder.core.errors import BuildError
from index_builder.core.progress import ProgressReporter

LOCK_FOLDER = ".lock"
_HOLDER_FILE = "holder.json"
_TRY_SECONDS, _REPORT_SECONDS = 2.0, 60.0


@contextmanager
def hold_pool(
    folder: Path,
    wait_minutes: float = 0.0,
    report: ProgressReporter = lambda line: None,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Lease]:
    """Lock a pool.

    Args:
        folder: folder of the pool.
        wait_minutes: how long to wait for a build that uses it.
        report: receives a line when the wait begins, and one a minute.
        monotonic: clock of the wait, in seconds.
        sleep: waits for some seconds.

    Raises:
        BuildError: a build that uses the pool is still running after that time.
    """
    lock, start, reported = folder / LOCK_FOLDER, monotonic(), -_REPORT_SECONDS
    with ExitStack() as stack:
        while True:
            try:
                lease = stack.enter_context(locked(lock, 0))
                break
            except StoreError as error:
                waited = monotonic() - start
                running = f"another build with this model is running ({_describe_holder(folder)})"
                if waited >= 60 * wait_minutes:
                    remedy = "wait for it, or give --wait MINUTES" if not wait_minutes else "it did not end in time"
                    raise BuildError(f"{running}; {remedy}") from error
                if waited - reported >= _REPORT_SECONDS:
                    report(f"{running}; waiting for it, {waited / 60:.0f} of {wait_minutes:g} minutes so far")
                    reported = waited
                sleep(min(_TRY_SECONDS, 60 * wait_minutes - waited))
        _record_holder(lock, lease)
        yield lease


def _record_holder(lock: Path, lease: Lease) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    holder = {"lease": lease.file.name, "host": platform.node(), "pid": os.getpid(), "since": now}
    with suppress(OSError):  # it is for a message alone
        (lock / _HOLDER_FILE).write_text(json.dumps(holder), encoding="utf-8")


def _describe_holder(folder: Path) -> str:
    """Say who holds a pool, as far as its lock tells."""
    lock = folder / LOCK_FOLDER
    try:
        holder = json.loads((lock / _HOLDER_FILE).read_text(encoding="utf-8"))
        if (lock / holder["lease"]).exists():  # otherwise it is what an earlier one has left
            return f"process {holder['pid']} on {holder['host']} since {holder['since']}; it holds {folder}"
    except (OSError, ValueError, KeyError, TypeError):  # a build of an older release, or one that is just beginning
        pass
    return f"it holds {folder}"
