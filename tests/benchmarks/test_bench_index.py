"""bench-index, wholly and very small: every part in its process, the report, and the targets of missing peers."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.bench_index import Peers, peer_targets
from benchmarks.common.measured_process import ROOT
from benchmarks.index.peers import AUTOFAISS, HNSWLIB, installed_peers
from tests.benchmarks.conftest import ROWS, SmallShop


def test_a_peer_that_is_not_installed_is_a_target_missed() -> None:
    targets = peer_targets(Peers(built={}, comparisons=(), our_build_s=1.0, rows=10))
    assert len(targets) == 5 and not any(target.met for target in targets)
    assert all("(not installed)" in target.name for target in targets)


@pytest.mark.integration
@pytest.mark.timeout(600)
def test_the_whole_benchmark(small_shop: SmallShop, tmp_path: Path) -> None:
    shutil.copytree(small_shop.vectors.folder, tmp_path / "work" / "real")  # as from a run before

    def run() -> "subprocess.CompletedProcess[str]":
        options = {
            "--bundle": small_shop.bundle.path,
            "--catalog": small_shop.catalog,
            "--work": tmp_path / "work",
            "--out": tmp_path / "out",
            "--rows": ROWS,
            "--peer-rows": 1000,
            "--products": 100,
            "--index-type": "IVF8,SQ8",
        }
        words = [str(word) for option in options.items() for word in option] + ["--no-nights"]
        command = [sys.executable, "-m", "benchmarks.bench_index", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=550, check=False, cwd=ROOT)

    ran = run()
    assert ran.returncode == 1, ran.stderr  # what is so small takes no less than the peers
    written = json.loads((tmp_path / "out" / "bench-index.json").read_text(encoding="utf-8"))
    figures = {figure["name"]: figure for figure in written["figures"]}
    for rows in ("100", "1,000", "1,500"):
        assert figures[f"real, {rows}: tie-tolerant recall@100"]["median"] > 0.9
        assert figures[f"real, {rows}: a query alone, one thread"]["median"] > 0
    assert figures["hard, 1,500: tie-tolerant recall@100"]["median"] > 0.9
    targets = {target["name"]: target["met"] for target in written["targets"]}
    assert len(targets) == 12 and targets["real, 1,500: build, peak resident memory"]
    for name in (HNSWLIB, AUTOFAISS):
        found = name if name in installed_peers() else f"{name} (not installed)"
        assert f"against {found}: queries alone, equal recall" in targets
    assert {"encoding: pipeline, of the forward pass", "encoding: a nightly run, of a full one"} <= set(targets)
    assert "Growth, on the real set" in ran.stdout and (tmp_path / "out" / "bench-index.png").is_file()
    assert not (tmp_path / "work" / "indexes").exists()
