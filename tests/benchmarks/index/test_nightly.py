"""The nights of a very small shop: what each command makes, and the table and targets of the report."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.common.measured_process import Usage
from benchmarks.index import nightly
from benchmarks.index.nights import ATTRIBUTES_S, TITLES_S, nights_figures, nights_table, nights_targets
from index_builder.cli.app import app
from tests.benchmarks.conftest import SmallShop

ROWS = 200


def test_nights(small_shop: SmallShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the commands in this process, since their time does not matter here."""
    said = list[str]()

    def run(command: Sequence[str]) -> tuple[Usage, int]:
        done = CliRunner().invoke(app, list(command[3:]), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        said.append(done.output)
        return Usage(wall_s=10.0 if "build" in command else 2.0, peak_resident_gb=1.0, peak_anonymous_gb=0.5), 10**6

    monkeypatch.setattr(nightly, "run_command", run)
    nights = nightly.measure_nights(small_shop.bundle, small_shop.catalog, small_shop.vectors, ROWS, tmp_path)
    assert (nights.rows, nights.width, nights.factory) == (ROWS, small_shop.bundle.card.width, "Flat")
    assert not list(tmp_path.iterdir())
    encoded = [next(line for line in output.splitlines() if "products encoded" in line) for output in said]
    assert [line.split(" products")[0] for line in encoded] == [f"0 of {ROWS}"] * 5 + [f"2 of {ROWS}", f"0 of {ROWS}"]
    vectors_gb = ROWS * nights.width * 4 / 1e9
    for night in nights.updates:
        assert (night.kept_gb > vectors_gb) is (night.change == "1% of titles")
    assert nights.build_again.kept_gb > vectors_gb
    rows = nights_table([nights]).splitlines()
    assert len(rows) == 1 + 7 and "20.0%" in rows[-1]
    assert len(nights_figures(nights)) == 4 * 7
    assert [target.limit for target in nights_targets(nights)] == [ATTRIBUTES_S] * 4 + [TITLES_S]
    assert all(target.met for target in nights_targets(nights))
