"""Builds that are killed at any moment: the store always loads, and the version comes out as if nothing had been."""

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from artifacts.bundle import open_bundle
from artifacts.gate import read_gate_record
from artifacts.index_version import CURVE_FILE, FAILURES_FILE, INDEX_FILE, TOWER_VECTORS_FILE
from artifacts.manifest import MANIFEST_FILE, read_manifest
from artifacts.removal import remove_leftovers
from artifacts.store import Publication, Store
from index_builder.build import BuildRequest, build_version
from index_builder.embeddings.pool import pool_folder
from index_builder.versions.listing import list_versions
from index_builder.versions.verify import verify_version
from tests.index_builder.embeddings.test_embed import shard_vectors
from tests.support.build_processes import BuildProcess

pytestmark = pytest.mark.integration

KILLS = 20
SHARDS = 19  # of one build
STAGES = ("encode", "encode", "build", "build")  # in which a build is killed before it may end
PUBLISHINGS = 3  # that are killed after it, of those that do not end before
TASK_S = 0.05  # about as long as a task takes
SEED = 4
TIMED = {FAILURES_FILE, CURVE_FILE, MANIFEST_FILE}  # what says when something was done, or how long it took


class Shop:
    """What is built, and how."""

    def __init__(self, bundle: Path, catalog: Path, logs: Path) -> None:
        self._sources = ["--bundle", str(bundle), "--catalog", str(catalog)]
        self._product_fingerprint = open_bundle(bundle).product_fingerprint
        self._log = logs / "log"

    def shard(self, store: Path, number: int) -> Path:
        """Where a build writes a shard."""
        return pool_folder(store, self._product_fingerprint) / f"00000001-{number:06}.shard"

    def shards(self, store: Path) -> int:
        """How many shards a build has written."""
        return len(list(pool_folder(store, self._product_fingerprint).glob("*.shard")))

    def start(self, store: Path) -> BuildProcess:
        """Build; where the version is there already, publish it."""
        arguments = ["--store", str(store), "--version", "new"]
        if "new" in Store(store).version_ids():
            meant = ["--new-model", "--least-new-model-overlap", "0"]  # random weights agree in nothing
            return BuildProcess(["publish", *arguments, *meant], self._log, "publish")
        options = ["--index", "Flat", "--shard-rows", "16", "--explain"]
        return BuildProcess(["build", *self._sources, *arguments, *options], self._log)


def check_loads(store: Path) -> None:
    """What a service would find: a published version that is sound, and others that are whole."""
    listing = list_versions(Store(store))
    assert listing.fault == ""
    assert [listed.version for listed in listing.versions if listed.damage] == []
    assert Store(store).publication().current in ("before", "new")
    for listed in listing.versions:
        assert verify_version(Store(store), listed.version).canary_overlap == 1.0


def contents(version: Path) -> dict[str, Any]:
    """A version without ids and times: bytes of its files, and what the others say."""
    found: dict[str, Any] = {
        path.relative_to(version).as_posix(): path.read_bytes()
        for path in version.rglob("*")
        if path.is_file() and path.name not in TIMED
    }
    assert (version / CURVE_FILE).is_file()
    manifest = read_manifest(version).model_dump()
    manifest.pop("created_at")
    manifest.pop("seal")
    for point in manifest["index"]["curve"]:
        point.pop("ms_per_query")
    manifest["files"] = {name: record for name, record in manifest["files"].items() if name not in TIMED}
    failures = pq.read_table(version / FAILURES_FILE).drop_columns(["tried_at"]).to_pylist()
    return {**found, "manifest": manifest, "failures": failures}


def entries(store: Path) -> list[str]:
    """Names of all that is in a store.

    But for memories of photos, which are kept of photos of some age, and leases, which are numbered.
    """
    found = (path.relative_to(store).as_posix() for path in store.rglob("*") if path.suffix != ".memory")
    return sorted(path for path in found if not path.startswith(".removed") and ".lock/" not in path)


@pytest.fixture
def base(other_bundle: Path, catalog: Path, tmp_path: Path) -> Path:
    """A store in which a version of another model is published."""
    build_version(BuildRequest(other_bundle, catalog, tmp_path / "base", "before"))
    Store(tmp_path / "base").publish("before")
    return tmp_path / "base"


@pytest.mark.timeout(1800)
def test_kills_at_twenty_moments(base: Path, mixed_bundle: Path, catalog: Path, tmp_path: Path) -> None:
    shop, rng, killed = Shop(mixed_bundle, catalog, tmp_path), np.random.default_rng(SEED), list[str]()
    unkilled = Path(shutil.copytree(base, tmp_path / "unkilled"))
    durations_s = shop.start(unkilled).finish() | shop.start(unkilled).finish()
    assert (list(durations_s), shop.shards(unkilled)) == (["encode", "build", "publish"], SHARDS)
    rounds = 0
    while len(killed) < KILLS or {moment.split()[2] for moment in killed} != set(durations_s):
        store, rounds = Path(shutil.copytree(base, tmp_path / f"round{rounds}")), rounds + 1
        assert rounds < 4 * KILLS // len(STAGES), f"the builds end before they are killed: {killed}"
        for stage in (*STAGES, *["publish"] * PUBLISHINGS):
            if stage != "publish" and "new" in Store(store).version_ids():
                continue
            if stage == "publish" and "new" not in Store(store).version_ids():
                shop.start(store).finish()
            moment = kill_once(shop, store, stage, durations_s, rng)
            if moment:
                killed.append(f"round {rounds}: {moment}")
                print(f"killed in {killed[-1]}", flush=True)
                check_loads(store)
            else:
                durations_s[stage] /= 2  # it was measured while the machine was busier
        shop.start(store).finish()
        check_same(store, unkilled)
    print(f"seed {SEED}, stages took {durations_s}", *killed, sep="\n")


def kill_once(shop: Shop, store: Path, stage: str, durations_s: dict[str, float], rng: np.random.Generator) -> str:
    """Start a build and kill it at a random moment of a stage; return when, and nothing if it had ended before."""
    awaited, limit_s, written = None, durations_s[stage], shop.shards(store)
    if stage == "encode" and written < SHARDS:
        awaited, limit_s = shop.shard(store, int(rng.integers(written, (written + SHARDS) // 2 + 1))), TASK_S
    process = shop.start(store)
    after_s = float(rng.uniform(0, limit_s))
    process.wait_for(stage, awaited)
    time.sleep(after_s)
    moment = f"{stage} {awaited.name if awaited else ''} + {after_s:.3f} s"
    return f"{moment}, {shop.shards(store)} shards" if process.kill() else ""


def check_same(store: Path, unkilled: Path) -> None:
    """A store whose build was killed now and then has what the other has."""
    check_loads(store)
    assert Store(store).publication() == Publication("new", ("before",))
    found, expected = (contents(folder / "versions" / "new") for folder in (store, unkilled))
    assert found.keys() == expected.keys() > {INDEX_FILE, TOWER_VECTORS_FILE}
    assert [name for name in expected if found[name] != expected[name]] == []
    assert shard_vectors(store) == shard_vectors(unkilled)
    gate = read_gate_record(Store(store), "new")
    assert gate is not None and gate.latest.outcome == "passed"
    remove_leftovers(Store(store))
    assert entries(store) == entries(unkilled)
