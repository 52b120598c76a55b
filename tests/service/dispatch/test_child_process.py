"""Processes as the operating system sees them: killed, reaped, and described by how they ended."""

import pytest

from service.dispatch import child_process
from service.dispatch.child_process import Child, Children, describe_exit
from tests.service.waiting import WAIT_SECONDS, wait_until

pytestmark = pytest.mark.integration


def started(children: Children, monkeypatch: pytest.MonkeyPatch, script: str) -> Child:
    """A process that runs a shell script."""
    monkeypatch.setattr(child_process, "_COMMAND", ["sh", "-c", script])
    return children.start("", ())


@pytest.mark.parametrize(
    ("script", "grace_seconds", "how"),
    [
        ("exec sleep 60", 0.0, "killed by the service"),
        ("exec sleep 60", 0.01, "killed by the service"),
        ("kill -STOP $$", 0.01, "killed by the service"),
        ("exit 3", WAIT_SECONDS, "ended with exit code 3"),
        ("kill -SEGV $$", WAIT_SECONDS, "ended by SIGSEGV"),
        ("kill -KILL $$", WAIT_SECONDS, "ended by SIGKILL, perhaps because memory ran out"),
    ],
)
def test_the_log_says_how_a_process_ended_and_none_is_left(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    script: str,
    grace_seconds: float,
    how: str,
) -> None:
    caplog.set_level("INFO", "service")
    child = started(Children(), monkeypatch, script)
    child.end(grace_seconds)
    assert child.wait(WAIT_SECONDS) is not None
    wait_until(lambda: "event=search_process_ended" in caplog.text, "its end is not logged")
    assert f"pid={child.pid} how='{how}'" in caplog.text


def test_all_can_be_killed_at_once_also_those_that_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    children = Children()
    ended = started(children, monkeypatch, "exit 0")
    assert ended.wait(WAIT_SECONDS) == 0
    running = [started(children, monkeypatch, script) for script in ("exec sleep 60", "kill -STOP $$")]
    children.kill()
    assert [child.wait(WAIT_SECONDS) for child in running] == [-9, -9]


def test_a_process_that_has_not_ended_has_no_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    children = Children()
    child = started(children, monkeypatch, "exec sleep 60")
    assert child.wait(0.01) is None
    assert describe_exit(None) == "its connection"
    children.kill()
    assert child.wait(WAIT_SECONDS) == -9
