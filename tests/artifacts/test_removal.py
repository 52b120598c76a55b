"""Removing versions, and clearing away what killed programs left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from artifacts.errors import DamagedError, StoreError
from artifacts.gate import GateDecision, add_decision, gate_path
from artifacts.leases import DEAD_AFTER_SECONDS, Lease
from artifacts.removal import Removal, protected_versions, remove_leftovers, remove_versions
from artifacts.store import Publication, Store
from tests.support.nodes import beats_of, other_node, run_on

DECISION = GateDecision(
    decided_at="2026-11-21T00:00:00+00:00", outcome="passed", compared_with=None, fault=None, checks=()
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with versions a to d, of which b and then c were published."""
    store = Store(tmp_path / "store")
    for version in "abcd":
        with store.new_version(version) as folder:
            (folder / "content").write_text(version * 100)
            (folder / "query").mkdir()
            (folder / "query" / "more").write_text("12345")
    store.publish("b")
    store.publish("c")
    return store


def everything(store: Store) -> list[str]:
    """All files of a store but its lock."""
    found = (path.relative_to(store.path).as_posix() for path in store.path.rglob("*") if path.is_file())
    return sorted(path for path in found if not path.startswith(".lock/"))


def files_of(*versions: str) -> list[str]:
    return ["CURRENT", *(f"versions/{version}/{name}" for version in versions for name in ("content", "query/more"))]


def test_versions_are_removed_with_their_records(store: Store) -> None:
    for version in "acd":
        add_decision(store, version, DECISION)
    assert remove_versions(store, ["d", "a"]) == [Removal("d", 105), Removal("a", 105)]
    assert everything(store) == sorted([*files_of("b", "c"), "gate/c.json"])
    assert store.version_ids() == ["b", "c"]


def test_files_that_another_version_has_too_are_not_counted_as_freed(store: Store) -> None:
    """Until it is removed as well."""
    with store.new_version("e") as folder:
        os.link(store.version_path("a") / "content", folder / "content")
    assert remove_versions(store, ["a"]) == [Removal("a", 5)]
    assert (store.version_path("e") / "content").read_text() == "a" * 100
    assert remove_versions(store, ["e"]) == [Removal("e", 100)]


def test_the_current_and_the_previous_version_stay(store: Store) -> None:
    assert protected_versions(store) == {"b", "c"}
    for version in ("b", "c"):
        with pytest.raises(StoreError) as caught:
            remove_versions(store, ["a", version])
        assert str(caught.value) == f"version {version} is published, or the target of a rollback; it is not removed"
    assert store.version_ids() == ["a", "b", "c", "d"]


def test_rollbacks_skip_what_is_removed(store: Store) -> None:
    for version in ("a", "d"):
        store.publish(version)
    assert store.publication() == Publication("d", ("a", "c", "b"))
    remove_versions(store, ["c"])
    assert store.publication() == Publication("d", ("a", "b"))
    assert [store.rollback().current, store.rollback().current] == ["a", "b"]


def test_nothing_is_removed_while_nobody_knows_what_is_published(store: Store) -> None:
    (store.path / "CURRENT").write_text("{")
    with pytest.raises(DamagedError, match="CURRENT is not readable"):
        remove_versions(store, ["a"])
    assert store.version_ids() == ["a", "b", "c", "d"]


@pytest.mark.parametrize(("version", "message"), [("z", "has no version 'z'"), ("..", "is no version id")])
def test_what_is_no_version_is_not_removed(store: Store, version: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        remove_versions(store, ["a", version])
    assert store.version_ids() == ["a", "b", "c", "d"]


def test_leftovers_of_killed_programs_are_cleared_away(store: Store) -> None:
    add_decision(store, "a", DECISION)
    left = {
        ".removed/x7d/old/content": 7,
        "versions/.new.x7d/index.faiss": 11,
        ".CURRENT.x7d": 3,
        ".vectors-4f/vectors.f32": 9,
        "gate/.a.json.x7d": 2,
        "gate/gone.json": 5,
    }
    for name, size in left.items():
        path = store.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    kept = {"embeddings/4f/00000001-000000.shard": 9, "notes.txt": 1, "versions/notes.txt": 1}
    for name, size in kept.items():
        (store.path / name).parent.mkdir(parents=True, exist_ok=True)
        (store.path / name).write_bytes(bytes(size))
    assert remove_leftovers(store) == [
        Removal(".removed/x7d", 7),
        Removal("versions/.new.x7d", 11),
        Removal(".CURRENT.x7d", 3),
        Removal(".vectors-4f", 9),
        Removal("gate/.a.json.x7d", 2),
        Removal("gate/gone.json", 5),
    ]
    assert everything(store) == sorted([*files_of(*"abcd"), "gate/a.json", *kept])
    assert remove_leftovers(store) == []


def test_a_version_that_is_being_built_stays(store: Store) -> None:
    with store.new_version("e") as folder:
        (folder / "content").write_text("half")
        assert remove_leftovers(store) == []
        (folder / "content").write_text("whole")
    assert (store.version_path("e") / "content").read_text() == "whole"


def test_a_version_that_another_machine_is_building_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artifacts.leases.BEAT_SECONDS", 0.001)
    with store.new_version("e") as folder:
        (folder / "content").write_text("half")
        with monkeypatch.context() as patch:
            run_on(other_node(passing=beats_of(folder.parent, ".e.*.lease")), patch)
            assert remove_leftovers(store) == []
        (folder / "content").write_text("whole")
    assert (store.version_path("e") / "content").read_text() == "whole"


def test_what_a_machine_left_that_was_switched_off_goes_when_it_was_watched(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two builds at once, which are watched together; of a third only the lease is left, of a fourth half a lease."""
    versions, waited_s = store.path / "versions", list[int]()
    for build in ("x", "y"):
        (versions / f".{build}.7d").mkdir()
        (versions / f".{build}.7d" / "index.faiss").write_bytes(bytes(11))
    for build in ("x", "y", "z"):
        Lease(versions / f".{build}.7d.lease", other_node("dead"))
    (versions / ".w.7d.lease.0123456789abcdef").touch()

    def passing() -> None:
        waited_s.append(1)
        store.publish("b")  # others need not wait for the lock meanwhile

    run_on(other_node(passing=passing), monkeypatch)
    names = [removal.name for removal in remove_leftovers(store)]
    assert names == [
        "versions/.x.7d",
        "versions/.y.7d",
        "versions/.w.7d.lease.0123456789abcdef",
        "versions/.z.7d.lease",
    ]
    assert len(waited_s) == DEAD_AFTER_SECONDS
    assert sorted(path.name for path in versions.iterdir()) == ["a", "b", "c", "d"]
    assert remove_leftovers(store) == []
    assert len(waited_s) == DEAD_AFTER_SECONDS


def test_a_link_is_removed_and_not_followed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "dear").write_text("x" * 1000)
    (store.path / "versions" / ".new.x7d").mkdir()
    (store.path / "versions" / ".new.x7d" / "link").symlink_to(tmp_path / "elsewhere")
    (removal,) = remove_leftovers(store)
    assert removal.freed_bytes < 1000
    assert (tmp_path / "elsewhere" / "dear").exists()


@pytest.mark.parametrize("moment", ["rename", "rmtree"])
def test_a_kill_while_removing_leaves_a_version_whole_or_gone(store: Store, moment: str) -> None:
    add_decision(store, "a", DECISION)
    module = {"rename": "os", "rmtree": "shutil"}[moment]
    program = (
        "import os, pathlib, shutil, signal, sys\n"
        "from artifacts.removal import remove_versions\n"
        "from artifacts.store import Store\n"
        f"{module}.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "remove_versions(Store(pathlib.Path(sys.argv[1])), ['a'])\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(store.path)], cwd=Path(__file__).parents[2], check=False, env=os.environ
    )
    assert killed.returncode == -signal.SIGKILL
    whole = moment == "rename"
    assert ("a" in store.version_ids()) is gate_path(store, "a").exists() is whole
    if whole:
        assert (store.version_path("a") / "content").read_text() == "a" * 100
    (left,) = remove_leftovers(store)
    assert left.freed_bytes == (0 if whole else 105)
    assert store.publication() == Publication("c", ("b",))
