"""The store: which version is current, and that no kill or race leaves one that does not load."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from artifacts.errors import DamagedError, StoreError
from artifacts.leases import Holder, Watch, this_node
from artifacts.manifest import read_manifest
from artifacts.removal import remove_leftovers
from artifacts.store import Publication, Store, lease_path
from tests.support.folders import write_hollow_bundle, write_hollow_version
from tests.support.nodes import other_node, run_on


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with versions a, b and c, nothing published."""
    store = Store(tmp_path / "store")
    for version in ("b", "a", "c"):
        add(store, version)
    return store


def add(store: Store, version: str) -> None:
    with store.new_version(version) as folder:
        (folder / "content").write_text(version)


def test_a_new_version_is_listed_and_found(store: Store) -> None:
    assert store.version_ids() == ["a", "b", "c"]
    assert (store.version_path("b") / "content").read_text() == "b"


def test_an_empty_place_is_an_empty_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "none")
    assert store.version_ids() == []
    assert store.publication() == Publication(current=None)
    assert not store.path.exists()


REFUSED = ["", ".", "..", "../x", "x/y", "/etc", ".hidden", "-x", "_x", "a b", "a\n", "a\0", "é", "x" * 101]


@pytest.mark.parametrize("version", REFUSED)
def test_malformed_ids_are_refused_everywhere(store: Store, version: str) -> None:
    def make() -> None:
        with store.new_version(version):
            pytest.fail("the block was entered")

    for act in (make, lambda: store.version_path(version), lambda: store.publish(version)):
        with pytest.raises(StoreError) as caught:
            act()
        assert str(caught.value) == (
            f"{version!r} is no version id: expected up to 100 letters, digits, '.', '_' or '-', "
            "beginning with a letter or digit"
        )
    assert sorted(entry.name for entry in (store.path / "versions").iterdir()) == ["a", "b", "c"]


@pytest.mark.parametrize("version", ["1", "2026-11-01T00.00", "A_b-c.d", "x" * 100])
def test_usual_ids_are_taken(store: Store, version: str) -> None:
    add(store, version)
    assert store.publish(version).current == version


@pytest.mark.parametrize(("versions", "known"), [(["a", "b"], "a, b"), ([], "none")], ids=["some", "none"])
def test_an_unknown_version_is_refused(tmp_path: Path, versions: list[str], known: str) -> None:
    store = Store(tmp_path)
    for version in versions:
        add(store, version)
    for act in (store.version_path, store.publish):
        with pytest.raises(StoreError) as caught:
            act("z")
        assert str(caught.value) == f"{tmp_path} has no version 'z'; it has {known}"
    assert store.publication().current is None


def test_a_version_never_changes(store: Store) -> None:
    with pytest.raises(StoreError) as caught, store.new_version("a"):
        pytest.fail("the block was entered")
    assert str(caught.value) == f"{store.path} has a version 'a' already, and versions never change"
    assert (store.version_path("a") / "content").read_text() == "a"


def test_a_version_that_fails_while_written_is_not_there(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.new_version("d") as folder:
        (folder / "content").write_text("half")
        raise ZeroDivisionError
    assert sorted(entry.name for entry in (store.path / "versions").iterdir()) == ["a", "b", "c"]


def test_what_is_no_version_is_not_listed(store: Store) -> None:
    (store.path / "versions" / ".d.half").mkdir()  # as a kill leaves it
    (store.path / "versions" / "notes.txt").write_text("a file")
    assert store.version_ids() == ["a", "b", "c"]


def test_publishing_and_rolling_back_go_through_the_history_in_order(store: Store) -> None:
    assert store.publish("a") == Publication("a")
    assert store.publish("b") == Publication("b", ("a",))
    assert store.publish("c") == Publication("c", ("b", "a"))
    assert store.publish("a") == Publication("a", ("c", "b", "a"))
    assert store.publication() == Publication("a", ("c", "b", "a"))
    assert store.rollback() == Publication("c", ("b", "a"))
    assert store.rollback() == Publication("b", ("a",))
    assert store.publish("c") == Publication("c", ("b", "a"))
    assert Store(store.path).publication() == Publication("c", ("b", "a"))


def test_publishing_the_current_version_again_changes_nothing(store: Store) -> None:
    store.publish("a")
    store.publish("b")
    assert store.publish("b") == Publication("b", ("a",))


def test_twenty_publications_are_remembered(store: Store) -> None:
    for _ in range(15):
        store.publish("a")
        store.publish("b")
    assert store.publication().previous == ("a", "b") * 10


@pytest.mark.parametrize("published", [[], ["a"]])
def test_there_must_be_something_to_roll_back_to(store: Store, published: list[str]) -> None:
    for version in published:
        store.publish(version)
    with pytest.raises(StoreError) as caught:
        store.rollback()
    assert str(caught.value) == f"{store.path} has no earlier publication to roll back to"


def test_a_rollback_to_a_removed_version_is_refused(store: Store) -> None:
    store.publish("a")
    store.publish("b")
    (store.version_path("a") / "content").unlink()
    store.version_path("a").rmdir()
    with pytest.raises(StoreError) as caught:
        store.rollback()
    assert str(caught.value) == f"{store.path} has no version 'a'; it has b, c"
    assert store.publication().current == "b"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a",
        b"\xff",
        b"[]",
        b'"a"',
        b'{"version": "a"}',
        b'{"version": null, "previous": []}',
        b'{"version": "a", "previous": "bc"}',
        b'{"version": "a", "previous": [1]}',
        b'{"version": "../../etc", "previous": []}',
        b'{"version": "a", "previous": [""]}',
    ],
)
def test_a_damaged_current_is_told_and_mended_by_publishing(store: Store, content: bytes) -> None:
    store.publish("a")
    current = store.path / "CURRENT"
    current.write_bytes(content)
    for act in (store.publication, store.rollback):
        with pytest.raises(DamagedError) as caught:
            act()
        assert str(caught.value) == f"{current} is not readable; publish a version to write it again"
    assert store.publish("b") == Publication("b")
    assert store.publication() == Publication("b")


def test_current_says_what_is_published_to_whoever_looks(store: Store) -> None:
    store.publish("a")
    store.publish("b")
    content = (store.path / "CURRENT").read_text()
    assert json.loads(content) == {"version": "b", "previous": ["a"]}
    assert content.endswith("\n")


def test_a_reader_never_sees_a_broken_current(store: Store) -> None:
    store.publish("a")
    stop, seen, faults = threading.Event(), set[str | None](), list[Exception]()

    def read() -> None:
        try:
            while not stop.is_set():
                current = store.publication().current
                assert current is not None and store.version_path(current).is_dir()
                seen.add(current)
        except Exception as error:
            faults.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(60):
        store.publish("abc"[turn % 3])
        if turn % 5 == 4:
            store.rollback()
    stop.set()
    for reader in readers:
        reader.join()
    assert faults == []
    assert len(seen) > 1, "the readers saw no change"


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_kill_while_publishing_leaves_a_store_that_loads(store: Store, moment: str) -> None:
    store.publish("a")
    program = (
        "import os, pathlib, signal, sys\n"
        "from artifacts.store import Store\n"
        f"os.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Store(pathlib.Path(sys.argv[1])).publish('b')\n"
    )
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", program, str(store.path)], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert store.publication() == Publication("a")
    assert store.publish("b") == Publication("b", ("a",))


def test_what_is_forgotten_is_no_step_of_a_rollback(store: Store) -> None:
    for version in ("a", "b", "a", "c", "b"):
        store.publish(version)
    assert store.forget(["a"]) == Publication("b", ("c", "b"))
    assert store.forget(["c"]) == Publication("b")
    assert store.publication() == Publication("b")


def test_forgetting_what_is_not_remembered_writes_nothing(store: Store) -> None:
    store.publish("a")
    written_at_ns = (store.path / "CURRENT").stat().st_mtime_ns
    assert store.forget(["b", "a"]) == Publication("a")
    assert (store.path / "CURRENT").stat().st_mtime_ns == written_at_ns


def test_forgetting_leaves_an_unpublished_store_so(store: Store) -> None:
    assert store.forget(["a"]) == Publication(None)
    assert not (store.path / "CURRENT").exists()


def test_nothing_is_published_where_nobody_can_read_what_was(store: Store) -> None:
    store.publish("a")
    assert store.publication_if_readable() == Publication("a")
    (store.path / "CURRENT").write_text("{")
    assert store.publication_if_readable() == Publication(None)


def test_a_change_waits_for_the_lock(store: Store) -> None:
    publisher = threading.Thread(target=store.publish, args=("b",))
    with store.locked() as held:
        publisher.start()
        publisher.join(0.2)
        assert publisher.is_alive()
        assert held.publish("a") == Publication("a")  # whoever holds it does not wait for itself
        with held.locked() as again:
            assert again is held
    publisher.join(10)
    assert store.publication() == Publication("b", ("a",))


def test_a_change_gives_up_when_the_lock_is_not_to_be_had(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artifacts.store._LOCK_WAIT_SECONDS", 0.05)
    with store.locked():
        for act in (lambda: store.publish("a"), store.rollback, lambda: store.forget(["a"]), lambda: add(store, "d")):
            with pytest.raises(StoreError, match=r"another process has held .*\.lock for 0\.05 s; wait for it"):
                act()
    assert store.publish("a") == Publication("a")


def test_there_is_nothing_to_lock_where_no_store_is(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        Store(tmp_path / "none").rollback()
    assert str(caught.value) == f"{tmp_path / 'none'} does not exist; the first build creates the store"
    assert not (tmp_path / "none").exists()


def test_a_new_version_has_a_lease_until_it_has_its_name(store: Store) -> None:
    with store.new_version("d") as folder:
        assert Watch(this_node()).holder(lease_path(folder)) is Holder.ALIVE
        store.publish("a")  # the store itself is not locked
    assert sorted(path.name for path in (store.path / "versions").iterdir()) == ["a", "b", "c", "d"]
    assert not list(store.version_path("d").iterdir())


@pytest.mark.parametrize("writes", [True, False])
def test_a_build_whose_folder_another_machine_removed_ends_with_a_sentence(
    store: Store, monkeypatch: pytest.MonkeyPatch, writes: bool
) -> None:
    """Its machine stood still for a minute."""
    with pytest.raises(StoreError) as caught, store.new_version("d") as folder:
        with monkeypatch.context() as patch:
            run_on(other_node(), patch)
            (removal,) = remove_leftovers(store)
        assert removal.name == f"versions/{folder.name}"
        if writes:
            (folder / "content").write_text("d")
    assert str(caught.value).startswith(f"{lease_path(folder)} was taken over by another program, or removed, since")
    assert store.version_ids() == ["a", "b", "c"]
    assert not list((store.path / "versions").glob(".*"))


def test_a_change_is_not_written_once_the_lock_is_lost(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.publish("a")
    with store.locked() as held:
        with monkeypatch.context() as patch:
            run_on(other_node(), patch)
            assert store.publish("b") == Publication("b", ("a",))
        with pytest.raises(StoreError, match=r"\.lock/\d+ was taken over by another program"):
            held.publish("c")
    assert store.publication() == Publication("b", ("a",))


def test_versions_are_numbered_in_the_order_of_their_completion(tmp_path: Path) -> None:
    store, bundle = Store(tmp_path / "store"), write_hollow_bundle(tmp_path / "bundle")
    with store.new_version("slow") as slow:
        write_hollow_version(slow, bundle, "slow")
        for version in ("b", "a"):
            with store.new_version(version) as folder:
                write_hollow_version(folder, bundle, version)
    numbers = {version: read_manifest(store.version_path(version)).sequence for version in store.version_ids()}
    assert numbers == {"b": 1, "a": 2, "slow": 3}
