"""bench-service, wholly and very small: every service, every scene, and the report."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.common.measured_process import ROOT
from tests.benchmarks.conftest import SmallShop
from tests.benchmarks.wrk import needs_wrk

needs_txtai = pytest.mark.skipif(importlib.util.find_spec("txtai") is None, reason="the extra bench-service is absent")


def run(shop: Path, folder: Path, *options: object) -> "subprocess.CompletedProcess[str]":
    given = ["--bundle", shop / "bundle", "--catalog", shop / "shop" / "catalog.parquet", "--work", folder / "work"]
    words = [*given, "--vectors", shop / "real", "--out", folder / "out", *options]
    command = [sys.executable, "-m", "benchmarks.bench_service", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=800, check=False, cwd=ROOT)


def test_without_wrk_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    ran = run(tmp_path, tmp_path)
    assert ran.returncode == 2 and "apt-get install wrk" in " ".join(ran.stderr.replace("│", "").split())


@needs_wrk
@needs_txtai
@pytest.mark.integration
@pytest.mark.timeout(900)
def test_the_whole_benchmark(small_shop: SmallShop, tmp_path: Path) -> None:
    ran = run(
        small_shop.folder, tmp_path, "--rows", 300, "--rounds", 1, "--seconds", 1, "--swaps", 1, "--memory-swaps", 2
    )
    assert ran.returncode in (0, 1), ran.stderr  # what is so small is no measure
    written = json.loads((tmp_path / "out" / "bench-service.json").read_text(encoding="utf-8"))
    figures = {figure["name"]: figure["median"] for figure in written["figures"]}
    for name in ("bare endpoint", "Vitrine"):
        assert figures[f"300 products: {name}, 32 at once"] > figures[f"300 products: {name}, 32 at once, p99"] > 0
    for other in ("by hand", "txtai"):
        assert figures[f"300 products: {other}, 32 at once"] > 0
    assert figures["300 products: products of by hand that Vitrine finds too"] == pytest.approx(100, abs=1)
    assert figures["300 products: tie-tolerant recall@100, over HTTP"] > 0.99
    targets = {target["name"]: target for target in written["targets"]}
    assert len(targets) == len(written["targets"]) == 14
    assert targets["300 products: searches lost during swaps"]["met"]
    assert "Where the time of a search goes" in ran.stdout and "waiting for the event loop" in ran.stdout
