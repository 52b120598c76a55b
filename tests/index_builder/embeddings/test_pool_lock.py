"""The lock of a pool: who holds it is said, and a build may wait for it."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from index_builder.core.errors import BuildError
from index_builder.embeddings.embed import EncodingOptions
from index_builder.embeddings.pool_lock import LOCK_FOLDER, hold_pool


class Clock:
    """A clock that moves only where somebody sleeps, and at a time ends another build."""

    def __init__(self, other: ExitStack, ends_at: float) -> None:
        self.now, self.other, self.ends_at = 0.0, other, ends_at

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        if self.now >= self.ends_at:
            self.other.close()


@pytest.fixture
def other(tmp_path: Path) -> ExitStack:
    with ExitStack() as stack:
        stack.enter_context(hold_pool(tmp_path))
        yield stack


def test_a_build_waits_until_the_other_one_ends_and_says_so_once_a_minute(tmp_path: Path, other: ExitStack) -> None:
    clock, lines = Clock(other, ends_at=150), list[str]()
    with hold_pool(tmp_path, 5, lines.append, monotonic=clock.monotonic, sleep=clock.sleep):
        assert 150 <= clock.now <= 152
    assert [line.rpartition("; ")[2] for line in lines] == [
        f"waiting for it, {minutes} of 5 minutes so far" for minutes in (0, 1, 2)
    ]
    assert all(line.startswith("another build with this model is running (process ") for line in lines)


def test_a_build_that_waited_for_nothing_says_so(tmp_path: Path, other: ExitStack) -> None:
    clock = Clock(other, ends_at=1000)
    with (
        pytest.raises(BuildError, match=r"; it did not end in time$"),
        hold_pool(tmp_path, 1.5, monotonic=clock.monotonic, sleep=clock.sleep),
    ):
        pytest.fail("shared")
    assert clock.now == 90


def test_a_pool_that_is_free_is_not_waited_for(tmp_path: Path, other: ExitStack) -> None:
    other.close()
    with hold_pool(tmp_path, 5, pytest.fail, sleep=lambda _: pytest.fail("slept")):
        pass


def test_who_held_it_before_is_not_blamed(tmp_path: Path, other: ExitStack) -> None:
    """As between the moment when a lock is taken and the one when its holder is written, or by an older release."""
    earlier = (tmp_path / LOCK_FOLDER / "holder.json").read_text()
    other.close()
    for content in (earlier, "{", "[]", '{"lease": null}'):
        with hold_pool(tmp_path):
            (tmp_path / LOCK_FOLDER / "holder.json").write_text(content)
            with pytest.raises(BuildError) as caught, hold_pool(tmp_path):
                pytest.fail("shared")
        assert f"is running (it holds {tmp_path}); wait for it" in str(caught.value)


@pytest.mark.parametrize("minutes", [-1.0, float("nan"), float("inf")])
def test_a_wait_that_is_none(minutes: float) -> None:
    with pytest.raises(BuildError, match=r"^wait: expected 0 minutes or more, got "):
        EncodingOptions(wait_minutes=minutes)
