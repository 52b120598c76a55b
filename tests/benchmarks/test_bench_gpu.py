"""bench-gpu without a GPU: that it says so, and on the CPU its arithmetic and its searches."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.bench_gpu import BATCHES, measure
from benchmarks.common.measured_process import ROOT
from benchmarks.gpu.search import copy_bytes_per_s, least_ms
from tests.benchmarks.conftest import SmallShop


@pytest.mark.integration
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.bench_gpu", "--out", str(tmp_path / "out")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert (ran.returncode, ran.stdout) == (0, "bench-gpu: PyTorch sees no CUDA device here, so nothing is measured.\n")
    assert not (tmp_path / "out").exists()


def test_the_least_time_of_a_search() -> None:
    """1.73 GB at 4 TB/s."""
    assert least_ms(3_380_000 * 256 * 2, 4e12) == pytest.approx(0.43264)


def test_a_copy_moves_twice_its_size() -> None:
    rates = copy_bytes_per_s("cpu", 16 << 20, rounds=3)
    assert len(rates) == 3 and all(1e8 < rate < 2e12 for rate in rates)


@pytest.mark.integration  # exports a query side
def test_what_is_measured(small_shop: SmallShop) -> None:
    bundle = small_shop.bundle
    figures, targets = measure("cpu", bundle, small_shop.vectors, 400, rounds=4)
    found = {figure.name: figure for figure in figures}
    assert found["tie-tolerant recall@100"].median == 1 and found["recall@100 strict"].median > 0.95
    reading_ms = found["reading all products once at that rate"].median
    copied = np.array(found["copy, bytes read and written"].values) * 1e9
    assert reading_ms == pytest.approx(1000 * 400 * bundle.card.width * 2 / np.median(copied))
    for batch, of_reading, whole in zip(BATCHES, targets[::2], targets[1::2], strict=True):
        search = found[f"batch of {batch}: search"]
        assert len(search.values) == 4 and of_reading.measured == pytest.approx(search.median / reading_ms)
        assert whole.measured == found[f"batch of {batch}: both"].median > search.median
