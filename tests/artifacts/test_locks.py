"""Locks between processes, on one machine and on several."""

import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from artifacts.errors import StoreError
from artifacts.leases import DEAD_AFTER_SECONDS, Lease
from artifacts.locks import _acquired, _taken, claimed, locked
from tests.service.waiting import wait_until
from tests.support.nodes import other_node, run_on

ROOT = Path(__file__).parents[2]


def is_locked(path: Path) -> bool:
    try:
        with locked(path, 0):
            return False
    except StoreError:
        return True


def leases_in(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    place = tmp_path / "lock"
    assert not is_locked(place)
    with locked(place, 0) as lease:
        lease.check()
        with pytest.raises(StoreError) as caught, locked(place, 0):
            pytest.fail("two hold it")
        assert str(caught.value) == f"another process has held {place} for 0 s; wait for it, then try again"
    assert not is_locked(place)
    with locked(place, 0):
        pass
    assert len(leases_in(place)) == 1


def test_an_error_gives_the_lock_back(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock", 0):
        raise ZeroDivisionError
    assert not is_locked(tmp_path / "lock")


def test_the_file_of_an_older_release_gives_way(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    with locked(tmp_path / "lock", 0):
        assert leases_in(tmp_path / "lock") == ["1"]


def test_a_kill_gives_the_lock_back_at_once(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time\n"
        "from artifacts.locks import locked\n"
        "with locked(pathlib.Path(sys.argv[1]), 0):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "lock")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        assert is_locked(tmp_path / "lock")
        holder.send_signal(signal.SIGKILL)
    with locked(tmp_path / "lock", 10):
        assert len(leases_in(tmp_path / "lock")) == 1


def test_another_machine_waits_for_one_that_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with locked(tmp_path / "lock", 0) as lease:
        beaten: list[int] = []
        run_on(other_node(passing=lambda: (beaten.append(1), lease.beat())), monkeypatch)
        with pytest.raises(StoreError, match=r"another process has held .* for 0 s"), locked(tmp_path / "lock", 0):
            pytest.fail("two hold it")
        assert len(beaten) == 1  # it is told after the first beat
        with pytest.raises(StoreError, match=r"another process has held .* for 9 s"), locked(tmp_path / "lock", 9):
            pytest.fail("two hold it")
        lease.check()
    with locked(tmp_path / "lock", 0):  # given back: nobody waits
        pass
    assert len(leases_in(tmp_path / "lock")) == 1


def test_another_machine_takes_over_from_one_that_was_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lock").mkdir()
    dead, waited_s = Lease(tmp_path / "lock" / "7", other_node("dead")), list[int]()
    run_on(other_node(passing=lambda: waited_s.append(1)), monkeypatch)
    with locked(tmp_path / "lock", 0) as lease:
        assert len(waited_s) == DEAD_AFTER_SECONDS
        assert leases_in(tmp_path / "lock") == ["8"]
        with pytest.raises(StoreError, match="was taken over by another program"):
            dead.check()
        dead.beat()
        dead.give_back(remove=False)
        lease.check()
    assert leases_in(tmp_path / "lock") == ["8"]


def test_a_slow_contender_finds_what_happened_meanwhile(tmp_path: Path) -> None:
    """It found 1 given back, and until it creates 2 others have taken and given back 2 and taken 3."""
    for number in (1, 2, 3):
        last = _taken(tmp_path, number, other_node(f"m{number}"))
        assert last is not None
        if number < 3:
            last.give_back(remove=False)
    assert _taken(tmp_path, 3, other_node("slow")) is None
    assert _taken(tmp_path, 2, other_node("slower")) is None
    assert leases_in(tmp_path) == ["3"]
    last.check()


def test_a_contender_that_stood_still_removes_no_lease_above_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above: list[Lease] = []
    listing = Path.iterdir

    def slow(path: Path) -> object:
        found = list(listing(path))
        if not above:  # the first listing shows its own number as the highest one
            above.append(Lease(tmp_path / "2", other_node("faster")))
        return iter(found)

    monkeypatch.setattr(Path, "iterdir", slow)
    assert _taken(tmp_path, 1, other_node("slow")) is not None  # as it believes
    monkeypatch.undo()
    above[0].check()


def test_unfinished_leases_of_killed_programs_go(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    (tmp_path / "lock" / "1.0123456789abcdef").touch()
    with locked(tmp_path / "lock", 0):
        assert leases_in(tmp_path / "lock") == ["1"]


def test_of_several_machines_that_take_over_exactly_one_wins(tmp_path: Path) -> None:
    """Each round begins with a dead lease, which all have watched to the end when they begin."""
    rounds, machines = 40, 4
    barrier, won = threading.Barrier(machines, timeout=60), dict[Path, list[Lease]]()

    def beat_winner(folder: Path) -> None:
        if (folder / "2").exists():
            wait_until(lambda: won[folder], "nobody holds the lease that somebody has taken")
            won[folder][0].beat()

    def contend(machine: str) -> None:
        for folder in won:
            barrier.wait()
            try:
                lease = _acquired(folder, 0, other_node(machine, passing=partial(beat_winner, folder)))
            except StoreError:
                barrier.wait()
                continue
            won[folder].append(lease)
            barrier.wait()  # the others have given up
            lease.check()
            lease.give_back(remove=False)

    for round_ in range(rounds):
        (tmp_path / str(round_)).mkdir()
        Lease(tmp_path / str(round_) / "1", other_node("dead"))
        won[tmp_path / str(round_)] = []
    threads = [threading.Thread(target=contend, args=(f"m{number}",)) for number in range(machines)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [len(leases) for leases in won.values()] == [1] * rounds


def test_machines_that_see_no_flock_of_each_other_lose_no_count(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys\n"
        "from artifacts import locks\n"
        "from artifacts.leases import Node\n"
        "locks.LOOK_SECONDS = 0.001\n"
        "folder, machine = pathlib.Path(sys.argv[1]), sys.argv[2]\n"
        "node, counter = Node(machine, lambda descriptor, exclusive: True), folder.parent / 'counter'\n"
        "for _ in range(40):\n"
        "    lease = locks._acquired(folder, 60, node)\n"
        "    count = int(counter.read_text())\n"
        "    counter.write_text(str(count + 1))\n"
        "    lease.give_back(remove=False)\n"
    )
    (tmp_path / "counter").write_text("0")
    (tmp_path / "lock").mkdir()
    machines = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "lock"), f"m{number}"], cwd=ROOT)
        for number in range(3)
    ]
    try:
        assert [machine.wait(100) for machine in machines] == [0, 0, 0]
    finally:
        for machine in machines:
            machine.kill()
    assert (tmp_path / "counter").read_text() == "120"


def test_a_claim_has_its_file_while_it_lasts(tmp_path: Path) -> None:
    with claimed(tmp_path / "lease") as lease:
        lease.check()
        with pytest.raises(FileExistsError), claimed(tmp_path / "lease"):
            pytest.fail("two claim it")
    assert not list(tmp_path.iterdir())


def test_holding_a_lock_takes_no_time(tmp_path: Path) -> None:
    """No wait for a beat, though the lease before was never given back: its machine is this one."""
    started_at = time.monotonic()
    for _ in range(20):
        with locked(tmp_path / "lock", 0):
            pass
    assert time.monotonic() - started_at < 20
