"""Stages as real processes: their order, what runs side by side, what is skipped, and what a kill or a fault leaves."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training.errors import ExperimentError
from training.experiments.stages import Stage, describe_times, run_stages

PROGRAM = """
import os, pathlib, sys, time
folder, name, seconds = pathlib.Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
with (folder / "journal").open("a") as journal:
    print("begin", name, os.environ.get("OMP_NUM_THREADS", "all"), os.getpid(), file=journal, flush=True)
    time.sleep(seconds)
    if name == "faulty":
        sys.exit("it is faulty")
    print("end", name, file=journal)
print("words of", name)
(folder / name).touch()
"""


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that notes when it begins and ends, for `python -m`."""
    (tmp_path / "noting_stage.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def stage(folder: Path, name: str, *needs: str, seconds: float = 0.0) -> Stage:
    return Stage(name, ("noting_stage", str(folder), name, str(seconds)), folder / name, frozenset(needs))


def journal(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "journal").read_text().splitlines()]


def order(folder: Path) -> list[str]:
    return [" ".join(words[:2]) for words in journal(folder)]


def test_one_at_a_time_keeps_the_order_and_has_all_cores(tmp_path: Path) -> None:
    run_stages([stage(tmp_path, "a"), stage(tmp_path, "b", "a"), stage(tmp_path, "c")], tmp_path)
    assert order(tmp_path) == ["begin a", "end a", "begin b", "end b", "begin c", "end c"]
    assert {words[2] for words in journal(tmp_path) if words[0] == "begin"} == {"all"}
    assert not (tmp_path / "logs").exists()


def test_two_at_a_time_share_the_cores_and_wait_for_what_they_need(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    todo = [
        stage(tmp_path, "a", seconds=0.5),
        stage(tmp_path, "b", seconds=0.5),
        stage(tmp_path, "c", "a", "b"),
    ]
    run_stages(todo, tmp_path, jobs=2)
    assert sorted(order(tmp_path)[:2]) == ["begin a", "begin b"]
    assert order(tmp_path)[-2:] == ["begin c", "end c"]
    threads = {words[1]: words[2] for words in journal(tmp_path) if words[0] == "begin"}
    share = str(max(1, len(os.sched_getaffinity(0)) // 2))
    assert threads == {"a": share, "b": share, "c": "all"}
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {"a.log", "b.log"}
    assert (tmp_path / "logs" / "a.log").read_text() == "words of a\n"
    told = capfd.readouterr().out
    assert "words of c" in told and "words of a" not in told  # what runs alone has the terminal
    assert "a 1 s" in describe_times(tmp_path) or "a 0 s" in describe_times(tmp_path)


def test_what_is_finished_is_checked_and_not_done_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run_stages([stage(tmp_path, "a")], tmp_path)
    run_stages([stage(tmp_path, "a"), stage(tmp_path, "b", "a")], tmp_path, jobs=2)
    assert order(tmp_path) == ["begin a", "end a", "begin b", "end b"]
    assert "[1/2] a: finished before" in capfd.readouterr().out

    def refuse() -> None:
        raise ExperimentError("made from something else")

    with pytest.raises(ExperimentError, match="made from something else"):
        run_stages([Stage("a", (), tmp_path / "a", check=refuse)], tmp_path)


def test_a_fault_shows_its_words_and_stops_what_runs_beside_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    with pytest.raises(ExperimentError, match="faulty failed, see above"):
        run_stages([stage(tmp_path, "faulty", seconds=0.3), stage(tmp_path, "slow", seconds=60)], tmp_path, jobs=2)
    assert time.monotonic() - began < 30
    assert "it is faulty" in capfd.readouterr().err
    assert not (tmp_path / "slow").exists()
    run_stages([stage(tmp_path, "slow")], tmp_path)  # nothing of it is in the way
    assert "faulty" not in describe_times(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_stages_end_with_a_run_that_is_killed(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from training.experiments.stages import Stage, run_stages\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "stages = [Stage(name, ('noting_stage', str(folder), name, '60'), folder / name) for name in 'ab']\n"
        "run_stages(stages, folder, jobs=2)"
    )
    run = subprocess.Popen([sys.executable, "-c", code])
    while not (tmp_path / "journal").exists() or len(journal(tmp_path)) < 2:
        assert run.poll() is None
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    give_up_at = time.monotonic() + 20
    for process in [int(words[3]) for words in journal(tmp_path)]:
        while _runs(process):
            assert time.monotonic() < give_up_at, f"process {process} outlives the run"
            time.sleep(0.02)


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
