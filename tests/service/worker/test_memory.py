"""The memory that a version needs, that is free, and that is returned to the system."""

import resource
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from artifacts.index_version import WORDS_FOLDER, open_index_version
from artifacts.store import Store
from lexical.vocabulary import SPARED_FILE, WORDS_FILE
from service.core.device import Device
from service.core.errors import VersionRefusedError
from service.worker import memory
from service.worker.loaded_version import load_version
from service.worker.memory import free_bytes, needed_bytes, release_freed_memory


def test_a_version_needs_at_least_its_index_and_not_the_world(good_store: Path) -> None:
    version = open_index_version(good_store / "versions" / "v1")
    assert version.index_record.size_bytes < needed_bytes(version, True) < 10_000_000


def test_the_vocabulary_of_words_counts_many_times(good_store: Path) -> None:
    version = open_index_version(good_store / "versions" / "v1")
    names = [f"{WORDS_FOLDER}/{name}" for name in (WORDS_FILE, SPARED_FILE)]
    record = version.manifest.files["index.faiss"]
    files = {name: version.manifest.files[name] for name in version.manifest.files if name not in names}
    grown = {**files, **{name: record.model_copy(update={"size_bytes": 1_000_000}) for name in names}}
    bare = {**files, **{name: record.model_copy(update={"size_bytes": 0}) for name in names}}
    large, small = (
        needed_bytes(replace(version, manifest=version.manifest.model_copy(update={"files": each})), True)
        for each in (grown, bare)
    )
    assert large - small >= 2 * 10 * 1_000_000


def test_what_is_free_is_less_than_what_there_is() -> None:
    free = free_bytes()
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    assert free is not None and 0 < free < 1024 * int(total.split()[1])
    assert resource.getpagesize() < free


@pytest.mark.parametrize(
    ("limit", "used", "stat", "free"),
    [
        ("1000", "700", "anon 1\ninactive_file 200\nactive_file 50\n", 550),
        ("1000", "1200", "inactive_file 0\nactive_file 0\n", 0),
        ("max", "700", "inactive_file 200\n", None),
    ],
)
def test_a_container_has_its_own_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, used: str, stat: str, free: int | None
) -> None:
    for name, text in (("memory.max", limit), ("memory.current", used), ("memory.stat", stat)):
        (tmp_path / name).write_text(f"{text}\n")
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:       3 kB\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    assert free_bytes() == (3 * 1024 if free is None else free)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_what_another_thread_took_and_freed_is_given_back() -> None:
    kept: list[bytes] = []

    def work() -> None:
        blocks = [bytes([1]) * 20_000 for _ in range(10_000)]  # too small to be mapped one by one
        kept.append(blocks[-1])  # at the end, without which the C library would give all back by itself

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    held = _resident_bytes()
    release_freed_memory()
    assert held - _resident_bytes() > 150_000_000


def test_elsewhere_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    assert free_bytes() is None


def test_a_version_that_does_not_fit_is_refused_with_the_figures(
    good_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.worker.memory.needed_bytes", lambda *_: 3_140_000_000)
    monkeypatch.setattr("service.worker.memory.free_bytes", lambda: 1_500_000_000)
    monkeypatch.setattr("service.worker.loaded_version.read_index", lambda *inputs: pytest.fail("it was loaded"))
    with pytest.raises(
        VersionRefusedError, match=r"version v1: it takes about 3\.14 GB of memory and 1\.50 GB are free"
    ):
        load_version(Store(good_store), "v1", device=Device.CPU, encoder_threads=1)
