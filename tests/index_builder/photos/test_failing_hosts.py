"""Hosts that are given up, and taken up again."""

import pytest

from index_builder.photos import failing_hosts as hosts
from index_builder.photos.failing_hosts import FAILURES_IN_A_ROW, GIVE_UP_AFTER_S, RETRY_INTERVAL_S, FailingHosts
from towers.errors import PhotoError


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(hosts, "time", clock)
    return clock


def refused(failing: FailingHosts, host: str = "shop.example") -> bool:
    try:
        failing.check(host)
    except PhotoError as error:
        assert error.reason == "host-down"
        return True
    return False


def fail(failing: FailingHosts, times: int) -> None:
    for _ in range(times):
        failing.failed("shop.example")


def test_a_host_is_given_up_after_failures_and_time(clock: Clock) -> None:
    failing = FailingHosts()
    fail(failing, FAILURES_IN_A_ROW)
    clock.now_s += GIVE_UP_AFTER_S - 1
    assert not refused(failing)
    clock.now_s += 1
    fail(failing, 1)
    assert refused(failing)
    assert not refused(failing, "other.example")


def test_few_failures_are_not_enough_however_long(clock: Clock) -> None:
    failing = FailingHosts()
    fail(failing, FAILURES_IN_A_ROW - 1)
    clock.now_s += 100 * GIVE_UP_AFTER_S
    assert not refused(failing)


def test_one_photo_is_tried_now_and_then(clock: Clock) -> None:
    failing = FailingHosts()
    fail(failing, FAILURES_IN_A_ROW)
    clock.now_s += GIVE_UP_AFTER_S + RETRY_INTERVAL_S
    assert [refused(failing) for _ in range(3)] == [False, True, True]
    clock.now_s += RETRY_INTERVAL_S
    assert [refused(failing) for _ in range(3)] == [False, True, True]


def test_an_answer_makes_good_what_was(clock: Clock) -> None:
    failing = FailingHosts()
    fail(failing, FAILURES_IN_A_ROW)
    clock.now_s += GIVE_UP_AFTER_S
    failing.answered("shop.example")
    fail(failing, FAILURES_IN_A_ROW)
    assert not refused(failing)  # its patience begins anew
