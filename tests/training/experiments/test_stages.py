"""Stages as real processes: their order, what runs side by side, what is skipped, and what a kill or a fault leaves."""

import dataclasses
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from artifacts.cores import usable_cores
from training.errors import ExperimentError
from training.experiments.stages import TIMES_FILE, Stage, StageTimes, describe_times, run_stages

WAIT_SECONDS = 120

# Modes: "quick" ends at once; "refuses" ends with status 2; "reads" and "writes" meet at a named pipe, so that each
# waits for the other; "faulty" and "stays" meet likewise, then one fails and the other waits to be stopped. Nobody
# waits without an end.
PROGRAM = f"""
import os, pathlib, signal, sys
folder, name, mode = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
def note(*words):
    with (folder / "journal").open("a") as journal:
        print(*words, file=journal)
def give_up(*_):
    note("gave-up", name)
    sys.exit("nobody came")
signal.signal(signal.SIGALRM, give_up)
signal.alarm({WAIT_SECONDS})
note("begin", name, os.environ.get("OMP_NUM_THREADS", "all"), os.getpid())
if mode in ("reads", "stays"):
    (folder / "meeting").open("rb").close()
if mode in ("writes", "faulty"):
    (folder / "meeting").open("wb").close()
if mode == "faulty":
    sys.exit("it is faulty")
if mode == "refuses":
    sys.exit(2)
if mode in ("stays", "reports"):
    if mode == "reports":
        (folder / "begun").open("w").write(name)
    signal.pause()
note("end", name)
print("words of", name)
(folder / name).touch()
"""


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that notes when it begins and ends, for `python -m`."""
    (tmp_path / "noting_stage.py").write_text(PROGRAM)
    os.mkfifo(tmp_path / "meeting")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def stage(folder: Path, name: str, *needs: str, mode: str = "quick") -> Stage:
    return Stage(name, ("noting_stage", str(folder), name, mode), folder / name, frozenset(needs))


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
        stage(tmp_path, "a", mode="reads"),
        stage(tmp_path, "b", mode="writes"),
        stage(tmp_path, "c", "a", "b"),
    ]
    run_stages(todo, tmp_path, jobs=2)
    assert sorted(order(tmp_path)[:2]) == ["begin a", "begin b"]
    assert order(tmp_path)[-2:] == ["begin c", "end c"]
    threads = {words[1]: words[2] for words in journal(tmp_path) if words[0] == "begin"}
    share = str(max(1, usable_cores() // 2))
    assert threads == {"a": share, "b": share, "c": "all"}
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {"a.log", "b.log"}
    assert (tmp_path / "logs" / "a.log").read_text() == "words of a\n"
    told = capfd.readouterr().out
    assert "words of c" in told and "words of a" not in told  # what runs alone has the terminal
    assert re.search(r"a \d+ s, .*c \d+ s", describe_times(tmp_path))


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
    with pytest.raises(ExperimentError, match="faulty failed, see above"):
        run_stages([stage(tmp_path, "faulty", mode="faulty"), stage(tmp_path, "slow", mode="stays")], tmp_path, jobs=2)
    assert "it is faulty" in capfd.readouterr().err
    assert "gave-up slow" not in order(tmp_path) and not (tmp_path / "slow").exists()
    run_stages([stage(tmp_path, "slow")], tmp_path)  # nothing of it is in the way
    assert "faulty" not in describe_times(tmp_path)


def test_others_go_on_without_what_may_refuse_and_learn_it_from_their_arguments(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    refusing = stage(tmp_path, "a", mode="refuses")

    def more() -> tuple[str, ...]:
        return () if (tmp_path / "a").exists() else ("without-a",)

    after = dataclasses.replace(stage(tmp_path, "b", "a"), more=more)
    run_stages([dataclasses.replace(refusing, may_refuse=True), after], tmp_path)
    told = capfd.readouterr().out
    assert "[1/2] a: not possible, see above; the others go on without it" in told
    assert "b quick without-a" in told and order(tmp_path)[-1] == "end b"
    assert "a" not in StageTimes.model_validate_json((tmp_path / TIMES_FILE).read_text()).seconds
    with pytest.raises(ExperimentError, match="a failed, see above"):
        run_stages([refusing], tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_stages_end_with_a_run_that_is_killed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "begun")
    code = (
        "from pathlib import Path; from training.experiments.stages import Stage, run_stages\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "stages = [Stage(name, ('noting_stage', str(folder), name, 'reports'), folder / name) for name in 'ab']\n"
        "run_stages(stages, folder, jobs=2)"
    )
    begun = os.open(tmp_path / "begun", os.O_RDWR)  # for writing too, so that it opens before the stages do
    with subprocess.Popen([sys.executable, "-c", code]) as run:
        names = ""
        while len(names) < 2:
            assert select.select([begun], [], [], WAIT_SECONDS)[0], f"only {names!r} began within {WAIT_SECONDS} s"
            names += os.read(begun, 2).decode()
        processes = [os.pidfd_open(int(words[3])) for words in journal(tmp_path)]
        run.send_signal(signal.SIGKILL)
    os.close(begun)
    for process in processes:  # readable when the process has ended
        assert select.select([process], [], [], WAIT_SECONDS / 2)[0], "a stage outlives the run"
        os.close(process)
    assert [words[0] for words in journal(tmp_path)] == ["begin", "begin"]
