"""Leases: who lives, seen from the same machine and from another, by no clock but one's own."""

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from artifacts import leases
from artifacts.errors import StoreError
from artifacts.leases import DEAD_AFTER_SECONDS, Holder, Lease, Node, Watch, this_node
from tests.service.waiting import wait_until
from tests.support.nodes import other_node


def looks_until(watch: Watch, file: Path, holder: Holder, node: Node) -> int:
    """How many looks, a second apart, give UNKNOWN before this holder."""
    looks = 0
    while (found := watch.holder(file)) is Holder.UNKNOWN:
        looks += 1
        node.sleep(1)
        assert looks < 1000
    assert found is holder
    return looks


def test_on_one_machine_it_is_known_at_once(tmp_path: Path) -> None:
    watch, file = Watch(this_node()), tmp_path / "lease"
    assert watch.holder(file) is Holder.NONE
    with Lease(file, this_node()).kept():
        assert watch.holder(file) is Holder.ALIVE
    assert watch.holder(file) is Holder.NONE
    assert [path.name for path in tmp_path.iterdir()] == ["lease"]


def test_another_machine_sees_that_it_beats(tmp_path: Path) -> None:
    lease, node = Lease(tmp_path / "lease", this_node()), other_node()
    watch = Watch(node)
    assert watch.holder(lease.file) is Holder.UNKNOWN
    lease.beat()
    assert watch.holder(lease.file) is Holder.ALIVE
    assert watch.holder(lease.file) is Holder.ALIVE  # also before the next beat
    lease.give_back(remove=False)
    assert watch.holder(lease.file) is Holder.NONE


def test_another_machine_sees_by_its_own_clock_that_it_beats_no_more(tmp_path: Path) -> None:
    lease, node = Lease(tmp_path / "lease", this_node()), other_node()
    watch = Watch(node)
    assert looks_until(watch, lease.file, Holder.NONE, node) == DEAD_AFTER_SECONDS
    lease.beat()
    assert watch.holder(lease.file) is Holder.ALIVE
    lease.give_back(remove=True)


def test_a_time_in_which_nobody_looked_does_not_count(tmp_path: Path) -> None:
    """The watching machine, or the file server for both, stood still for hours: the holder had no time to beat."""
    lease, node = Lease(tmp_path / "lease", this_node()), other_node()
    watch = Watch(node)
    for _ in range(int(DEAD_AFTER_SECONDS)):
        assert watch.holder(lease.file) is Holder.UNKNOWN
        node.sleep(10_000)
    lease.beat()
    assert watch.holder(lease.file) is Holder.ALIVE
    lease.give_back(remove=True)


def test_it_beats_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.001)
    file = tmp_path / "lease"
    with Lease(file, this_node()).kept(remove=True):
        first = file.read_bytes()
        wait_until(lambda: file.read_bytes() != first, "the lease does not beat")
    assert not list(tmp_path.iterdir())


def test_what_has_no_content_yet_is_watched(tmp_path: Path) -> None:
    (tmp_path / "lease").touch()
    node = other_node()
    assert looks_until(Watch(node), tmp_path / "lease", Holder.NONE, node) == DEAD_AFTER_SECONDS


def test_there_is_one_of_a_name(tmp_path: Path) -> None:
    lease = Lease(tmp_path / "lease", this_node())
    with pytest.raises(FileExistsError):
        Lease(tmp_path / "lease", other_node())
    lease.check()
    assert [path.name for path in tmp_path.iterdir()] == ["lease"]
    lease.give_back(remove=True)


def test_whoever_lost_it_learns_so_and_writes_no_more(tmp_path: Path) -> None:
    lease = Lease(tmp_path / "lease", this_node())
    lease.check()
    lease.file.unlink()
    other = Lease(tmp_path / "lease", other_node())
    content = other.file.read_bytes()
    with pytest.raises(StoreError) as caught:
        lease.check(cause := OSError("its folder is gone"))
    assert str(caught.value) == (
        f"{lease.file} was taken over by another program, or removed, since this one seemed to be dead: it could not "
        "write it for 60 s; start it again"
    )
    assert caught.value.__cause__ is cause
    lease.beat()
    lease.give_back(remove=False)
    assert other.file.read_bytes() == content
    other.give_back(remove=True)


def test_a_full_disk_is_told_with_the_path_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/lease\.[0-9a-f]{16}'"):
        Lease(tmp_path / "lease", this_node())
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fails_later_does_not_end_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with Lease(tmp_path / "lease", this_node()).kept() as lease:
        monkeypatch.setattr(os, "pwrite", broken)
    assert Watch(this_node()).holder(lease.file) is Holder.NONE  # it is no longer locked


def _refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def link(source: Path, target: Path) -> None:
        raise OSError(number, os.strerror(number), str(source), None, str(target))

    monkeypatch.setattr(os, "link", link)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EXDEV])
def test_file_systems_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    _refuse(monkeypatch, number)
    lease = Lease(tmp_path / "lease", this_node())
    with pytest.raises(FileExistsError):
        Lease(tmp_path / "lease", this_node())
    assert Watch(this_node()).holder(lease.file) is Holder.ALIVE
    lease.give_back(remove=True)
    assert not list(tmp_path.iterdir())


def test_an_answer_that_nfs_lost_is_no_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really: Callable[[Path, Path], None] = os.link

    def link_twice(source: Path, target: Path) -> None:
        really(source, target)
        really(source, target)

    monkeypatch.setattr(os, "link", link_twice)
    Lease(tmp_path / "lease", this_node()).give_back(remove=True)


def test_where_files_cannot_be_locked_a_machine_watches_its_own_leases_too(tmp_path: Path) -> None:
    node = replace(other_node(), flock=lambda descriptor, exclusive: None)
    lease, watch = Lease(tmp_path / "lease", node), Watch(node)
    assert watch.holder(lease.file) is Holder.UNKNOWN
    lease.beat()
    assert watch.holder(lease.file) is Holder.ALIVE
    lease.give_back(remove=False)
    assert watch.holder(lease.file) is Holder.NONE
