"""The table of growth, and that its plot is a picture of the sizes."""

from pathlib import Path

from PIL import Image

from benchmarks.common.measured_process import Usage
from benchmarks.index.growth import Measured, draw_growth, growth_table
from benchmarks.index.ours import Built
from benchmarks.index.search import Searched


def measured(rows: int) -> Measured:
    seconds = {"choose": 20.0, "train and add": rows / 30_000, "tune": 4.0, "write": rows / 1e6}
    built = Built(
        factory="IVF64,SQ8",
        nprobe=8,
        k_factor=None,
        reached_target=True,
        seconds=seconds,
        sha256="0" * 64,
        size_bytes=rows * 272,
        threads=2,
    )
    usage = Usage(wall_s=1.0, peak_resident_gb=rows * 1.5e-6, peak_anonymous_gb=rows * 1e-6)
    searched = Searched(
        tolerant=0.991,
        strict=0.95,
        single_ms=(0.25, 0.5, 0.75),
        batch_ms=(0.125,),
        exact_single_ms=(rows * 1e-4,),
        exact_batch_ms=1.0,
    )
    return Measured(rows, built, usage, searched)


def test_a_row_a_size() -> None:
    header, row, _ = growth_table([measured(100_000), measured(1_000_000)]).splitlines()
    assert header.split()[:2] == ["products", "index"]
    cells = ["100,000", "IVF64,SQ8", "27.4", "0.15", "0.1", "0.0272", "0.5", "0.745", "0.125", "10", "0.9910", "0.9500"]
    assert row.split() == cells


def test_the_plot_is_drawn(tmp_path: Path) -> None:
    draw_growth([measured(100_000), measured(1_000_000), measured(3_380_000)], tmp_path / "growth.png")
    draw_growth([measured(1000)], tmp_path / "one.png")
    for name in ("growth.png", "one.png"):
        with Image.open(tmp_path / name) as image:
            assert image.size == (1560, 598) and len(image.convert("RGB").getcolors(1 << 20) or ()) > 20
