"""bench-sizes, wholly and very small: two sizes, served and swapped by the real service."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.bench_sizes import HEADER, OF_SERVING, Size
from benchmarks.common.measured_process import ROOT
from benchmarks.service.load import Load, Requests
from benchmarks.service.servers import Server
from benchmarks.service.turns import OURS, Measured, Turn
from tests.benchmarks.conftest import SmallShop
from tests.benchmarks.wrk import needs_wrk


def test_a_swap_may_need_two_versions_and_not_three() -> None:
    load = Load(requests=900, seconds=1, failed=0, mean_ms=3, p50_ms=2, p99_ms=9)
    measured = Measured(
        Turn(OURS, Server("http://127.0.0.1:1", 1, Path("log")), Requests(Path("posts"), 9), 32), (load,)
    )
    size = Size("3,000", "Flat", 0.1, 1.0, 2.1, measured, 1.5)
    assert size.target().met and size.target().limit == OF_SERVING
    assert not Size("3,000", "Flat", 0.1, 1.0, 3.0, measured, 1.5).target().met
    assert dict(zip(HEADER, size.row(), strict=True))["at most in a swap, GB"] == "2.10"


@needs_wrk
@pytest.mark.integration
@pytest.mark.timeout(600)
def test_two_sizes(small_shop: SmallShop, tmp_path: Path) -> None:
    given = ["--bundle", small_shop.bundle.path, "--catalog", small_shop.catalog]
    places = ["--work", tmp_path / "work", "--vectors", small_shop.vectors.folder, "--out", tmp_path / "out"]
    options = [*given, *places, "--rows", 300, "--rows", 1500, "--rounds", 1, "--seconds", 1]
    command = [sys.executable, "-m", "benchmarks.bench_sizes", *map(str, options)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False, cwd=ROOT)
    assert ran.returncode in (0, 1), ran.stderr
    written = json.loads((tmp_path / "out" / "bench-sizes.json").read_text(encoding="utf-8"))
    figures = {figure["name"]: figure["median"] for figure in written["figures"]}
    for size in ("300", "1,500"):
        assert figures[f"{size} products: Vitrine, 32 at once"] > 0
        assert 0.05 < figures[f"{size} products: serving"] <= figures[f"{size} products: at most in a swap"] < 2
        assert 0.05 < figures[f"{size} products: processor time of a request"] < 1000
    of_rows = [figures[f"{size} products: a version on disk"] for size in ("300", "1,500")]
    assert 0 < of_rows[0] < of_rows[1]
    assert len(written["targets"]) == 2
