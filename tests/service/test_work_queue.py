"""Items for several threads: each taken once, in order, by whoever rested last."""

import threading
import time
from collections.abc import Callable

import pytest

from service.work_queue import WorkQueue


class Taker:
    """A thread that takes one item each time that it may, and tells of it."""

    def __init__(self, queue: WorkQueue[int], taking: threading.Lock, taken: list[tuple[str, int]], name: str) -> None:
        self._queue, self._taking, self._taken = queue, taking, taken
        self.comes = 0  # times that it was on its way
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while True:
            self._queue.wait()
            self.comes += 1
            with self._taking:
                item = self._queue.first()
                if item is not None:
                    assert self._queue.take() == item
                    self._taken.append((self.thread.name, item))
            self._queue.pass_on()
            if item is not None and item < 0:  # for each thread one
                return


def until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.001)


def test_the_thread_that_rested_last_comes_first() -> None:
    queue, taking, taken = WorkQueue[int](), threading.Lock(), list[tuple[str, int]]()
    takers = []
    for number, name in enumerate("abc"):
        takers.append(Taker(queue, taking, taken, name))
        until(lambda wanted=number + 1: len(queue._resting) == wanted)  # type: ignore[misc]
    for item in range(20):
        queue.put(item)
        until(lambda wanted=item + 1: len(taken) == wanted and len(queue._resting) == 3)  # type: ignore[misc]
    assert taken == [("c", item) for item in range(20)]
    for _ in takers:
        queue.put(-1)
    for taker in takers:
        taker.thread.join(10)
        assert not taker.thread.is_alive()


def test_one_thread_is_called_for_all_that_comes_before_it_takes() -> None:
    queue, taking, taken = WorkQueue[int](), threading.Lock(), list[tuple[str, int]]()
    takers = [Taker(queue, taking, taken, name) for name in "ab"]
    until(lambda: len(queue._resting) == 2)
    with taking:
        for item in range(5):
            queue.put(item)
        until(lambda: sum(taker.comes for taker in takers) == 1)
        time.sleep(0.05)
        assert sorted(taker.comes for taker in takers) == [0, 1]
    until(lambda: len(taken) == 5)
    assert [item for _, item in taken] == list(range(5))
    for _ in takers:
        queue.put(-1)
    for taker in takers:
        taker.thread.join(10)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_each_item_is_taken_once_and_in_order(threads: int) -> None:
    queue, taking, taken = WorkQueue[int](), threading.Lock(), list[tuple[str, int]]()
    takers = [Taker(queue, taking, taken, str(number)) for number in range(threads)]
    for item in range(20_000):
        queue.put(item)
    for _ in takers:
        queue.put(-1)
    for taker in takers:
        taker.thread.join(30)
        assert not taker.thread.is_alive()
    assert [item for _, item in taken] == [*range(20_000), *[-1] * threads]
    assert len(queue) == 0


def test_nobody_takes_from_an_empty_queue() -> None:
    queue = WorkQueue[int]()
    assert queue.first() is None and len(queue) == 0
    with pytest.raises(IndexError):
        queue.take()
