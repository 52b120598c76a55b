import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.common.harness import Figure, Machine, Target, number, report, stolen_share, table, this_machine

MACHINE = Machine("a processor", 2, 8.0, "none", "Linux", "3.11", {"torch": "2.15"})


def test_the_median_and_p99_of_a_figure() -> None:
    figure = Figure("time", "ms", (9.0, 1.0, 3.0, 2.0))
    assert figure.median == 2.5
    assert figure.p99 == 9.0  # of few values the largest, nothing between two of them
    assert Figure("time", "ms", tuple(map(float, range(1, 201)))).p99 == 199.0


@pytest.mark.parametrize(
    ("wanted", "measured", "met"),
    [
        ("at least", 1.3, True),
        ("at least", 1.29, False),
        ("at most", 1.3, True),
        ("at most", 1.31, False),
        ("at least", float("nan"), False),
        ("at most", float("nan"), False),
    ],
)
def test_a_target_is_met_up_to_its_limit(wanted: str, measured: float, met: bool) -> None:
    assert Target("ratio", wanted, 1.3, measured, "times").met is met  # type: ignore[arg-type]


@pytest.mark.parametrize(("measured", "code"), [(2.0, 0), (1.0, 1)])
def test_a_report_is_printed_and_written_and_fails_when_a_target_is_missed(
    measured: float, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = [Figure("rate", "pairs/s", (1500.0, 1400.0, 1600.0))]
    targets = [Target("always", "at most", 1.0, 0.5, "s"), Target("ratio", "at least", 1.3, measured, "times")]
    assert report("bench-x", MACHINE, "one thing.", figures, targets, tmp_path / "out") == code
    printed = capsys.readouterr().out
    assert "bench-x: one thing." in printed and "1,500" in printed and ("NO" in printed) is (code == 1)
    written = json.loads((tmp_path / "out" / "bench-x.json").read_text(encoding="utf-8"))
    assert written["figures"] == [
        {"name": "rate", "unit": "pairs/s", "values": [1500.0, 1400.0, 1600.0], "median": 1500.0, "p99": 1600.0}
    ]
    assert [target["met"] for target in written["targets"]] == [True, code == 0]
    assert written["machine"]["packages"] == {"torch": "2.15"}
    assert written["commit"] != "" and written["measured_at"].endswith("+00:00")


def test_columns_stand_under_their_header() -> None:
    assert table(["name", "n"], [["a", "1,000"], ["longer", "2"]]) == "name        n\na       1,000\nlonger      2"


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,234"), (999.4, "999"), (0.01234, "0.0123"), (-2000.0, "-2,000")]
)
def test_figures_for_people(value: float, text: str) -> None:
    assert number(value) == text


def test_the_machine_of_this_run_names_versions() -> None:
    machine = this_machine(["numpy", "no-such-package"])
    assert machine.cores >= 1 and machine.memory_gb > 0 and machine.processor
    assert machine.stolen is None or 0 <= machine.stolen <= 1
    assert machine.packages["numpy"][0].isdigit() and machine.packages["no-such-package"] == "not installed"


def test_what_the_host_took_is_of_the_time_that_was_asked_for() -> None:
    idle, waiting = 5_000, 300  # asked for nothing
    assert stolen_share([10, 0, 0, 0, 0, 0, 0, 5], [50, 10, 20, idle, waiting, 2, 3, 30]) == 25 / 100
    assert stolen_share([1] * 8, [1] * 8) == 0
    assert stolen_share(None, [1] * 8) is None


def test_what_the_host_took_is_printed_where_it_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = "12.5% of the processor time that was asked for went to other machines"
    for machine, is_told in ((MACHINE, False), (replace(MACHINE, stolen=0.125), True)):
        report("bench-x", machine, "one thing.", [], [], tmp_path)
        assert (told in capsys.readouterr().out) is is_told
