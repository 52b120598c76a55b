"""bench-service, wholly and very small: every service, every scene, and the report."""

import importlib.util
import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.common.measured_process import ROOT
from benchmarks.service.setup import LOG_FILE
from tests.benchmarks.shop import write_catalog
from tests.benchmarks.wrk import needs_wrk
from tests.support.models import tiny_bundle

needs_txtai = pytest.mark.skipif(importlib.util.find_spec("txtai") is None, reason="the extra bench-service is absent")


def run(folder: Path, *options: object) -> "subprocess.CompletedProcess[str]":
    given = ["--bundle", folder / "bundle", "--catalog", folder / "shop" / "catalog.parquet", "--work", folder / "work"]
    words = [*given, "--vectors", folder / "real", "--out", folder / "out", *options]
    command = [sys.executable, "-m", "benchmarks.bench_service", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=800, check=False, cwd=ROOT)


def test_without_wrk_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    ran = run(tmp_path)
    assert ran.returncode == 2 and "apt-get install wrk" in " ".join(ran.stderr.replace("│", "").split())


@needs_wrk
@needs_txtai
@pytest.mark.integration
@pytest.mark.timeout(900)
def test_the_whole_benchmark(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "bundle", "alpha")
    write_catalog(tmp_path / "shop", 40)
    words = [f"word{number}" for number in range(330)]
    queries = [f"{first} {second}" for first, second in product(words, words)][:101_000]
    pq.write_table(pa.table({"query": queries}), tmp_path / "shop" / LOG_FILE)
    ran = run(tmp_path, "--rows", 300, "--rounds", 1, "--seconds", 1, "--swaps", 1, "--memory-swaps", 2)
    assert ran.returncode in (0, 1), ran.stderr  # what is so small is no measure
    written = json.loads((tmp_path / "out" / "bench-service.json").read_text(encoding="utf-8"))
    figures = {figure["name"]: figure["median"] for figure in written["figures"]}
    for name in ("bare endpoint", "Vitrine"):
        assert figures[f"300 products: {name}, 32 at once"] > figures[f"300 products: {name}, 32 at once, p99"] > 0
    for other in ("by hand", "txtai"):
        assert figures[f"300 products: {other}, 32 at once"] > 0
    assert figures["300 products: products of by hand that Vitrine finds too"] == pytest.approx(100, abs=1)
    assert figures["300 products: recall@100 within 0.001, over HTTP"] > 0.99
    targets = {target["name"]: target for target in written["targets"]}
    assert len(targets) == len(written["targets"]) == 14
    assert targets["300 products: searches lost during swaps"]["met"]
    assert "Where the time of a search goes" in ran.stdout and "waiting for the event loop" in ran.stdout
