"""Other machines that see the same files, but no `flock` of this one, as on some network file systems."""

from collections.abc import Callable
from pathlib import Path

import pytest

from artifacts.leases import Node
from tests.service.waiting import wait_until


def other_node(machine: str = "other", passing: Callable[[], object] = lambda: None) -> Node:
    """A machine whose clock moves only while it waits.

    Args:
        machine: its name.
        passing: called whenever it waits, for what happens meanwhile.
    """
    now = [1e9]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        passing()

    return Node(machine, lambda descriptor, exclusive: True, lambda: now[0], sleep)


def run_on(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what follows in this test run on another machine; leases that are held already stay this one's."""
    monkeypatch.setattr("artifacts.leases._THIS_NODE", node)


def beats_of(folder: Path, pattern: str) -> Callable[[], None]:
    """What `passing` needs where a lease beats by itself: wait for its next beat."""
    seen = [""]

    def has_beaten() -> bool:
        (content,) = (path.read_text() for path in folder.glob(pattern))
        seen.append(content)
        return seen[-2] != seen[-1]

    return lambda: wait_until(has_beaten, f"no lease {pattern} in {folder} beats")
