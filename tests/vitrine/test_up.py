"""`vitrine up` on a small feed with the real programs: stopped, gone on with, served, tested, and called again."""

import json
import os
import pkgutil
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from artifacts.locks import locked
from tests.service.waiting import WAIT_SECONDS
from tests.vitrine.shops import products, write_feed
from vitrine.cli import app
from vitrine.running.record import read_up_record
from vitrine.steps.request import Work

ROOT = Path(__file__).parents[2]


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "vitrine", *arguments]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_heed_interrupts,
    )


def _heed_interrupts() -> None:
    """Undo what a shell does to programs that it starts in the background: tests may have been started so."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def end_of(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = process.communicate(timeout=WAIT_SECONDS * 4)
    return process.returncode, said


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for_step(work: Work, name: str) -> None:
    """Wait until a step has begun."""
    give_up_at = time.monotonic() + WAIT_SECONDS
    while name not in read_up_record(work.record).steps:
        assert time.monotonic() < give_up_at, f"{name} was not begun"
        time.sleep(0.02)


def processes_naming(text: str) -> list[int]:
    """Processes whose command line has this text in it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in command and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


@pytest.mark.integration
def test_a_search_is_made_by_one_command_that_may_be_stopped_and_called_again(tmp_path: Path) -> None:
    feed, work = tmp_path / "mugs.csv", Work(tmp_path / "work")
    write_feed(feed, products())
    port = str(free_port())
    call = ("up", str(feed), "--out", str(work.folder), "--port", port, "--text", "bibert", "--steps", "1")

    stopped = start(*call)
    wait_for_step(work, "data")
    stopped.send_signal(signal.SIGINT)
    status, said = end_of(stopped)
    assert status == 130 and said.endswith("the same command goes on from here\n"), said
    assert processes_naming(str(work.folder)) == []

    status, said = end_of(start(*call, "--until", "self-test"))
    assert status == 0, said
    assert "1 import mugs.csv: as before" in said and "30 rows, 30 products; see " in said
    assert "30 products: 30 without a photo; without a search log" in said
    assert re.search(r"Of 30 products, found within 10 by: own title \d+ %", said)
    saved = json.loads(work.self_test.read_text())
    assert [one["with_value"] for one in saved["findable"]] == [30] * 6
    assert [one["found"] for one in saved["findable"][4:]] == [30, 30]
    assert len(saved["answers"]) == 20 and all(answer["hits"] for answer in saved["answers"])
    assert f"Self-test: {work.self_test.with_suffix('.html')}" in said

    serving = start(*call, "--no-browser")
    assert serving.stdout is not None
    lines = list[str]()
    while not (lines and lines[-1].startswith("Self-test: ")):
        lines.append(serving.stdout.readline())
        assert lines[-1], f"it ended: {lines}"
    assert sum("as before" in line for line in lines) == 4
    assert not any(line.startswith("self-test ") for line in lines)  # the saved one is of this version
    found = httpx.post(f"http://127.0.0.1:{port}/search", json={"query": "red mug", "k": 3}).json()
    assert len(found["hits"]) == 3 and found["index_version"] == saved["index_version"]
    serving.send_signal(signal.SIGINT)
    assert end_of(serving)[0] == 0
    assert processes_naming(str(work.folder)) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give a feed or --sample, one of them"),
        (("--sample", "feed.csv"), "give a feed or --sample, one of them"),
        (("nowhere.csv",), "there is no nowhere.csv"),
        (("--sample", "--log", "nowhere.parquet"), "there is no nowhere.parquet"),
        (("--sample", "--map", "title=name"), "--map, --mapping and --photos are for a feed, which is imported; "),
        (
            ("--sample", "--until", "lunch"),
            "--until lunch is no step; there are shop, data, photo-encoder, text-encoder, ",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: tuple[str, ...], message: str) -> None:
    found = CliRunner().invoke(app, ["up", *arguments])
    assert found.exit_code == 2 and f"Error: {message}" in found.stderr


def test_a_port_in_use_is_told_before_anything_is_done(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        found = CliRunner().invoke(app, ["up", "--sample", "--out", str(tmp_path / "work"), "--port", port])
    assert found.exit_code == 2 and f"port {port} cannot be used" in found.stderr
    assert not (tmp_path / "work").exists()


def test_another_call_in_the_same_folder_waits_for_nobody(tmp_path: Path) -> None:
    with locked(tmp_path / ".up.lock", 0):
        found = CliRunner().invoke(app, ["up", "--sample", "--out", str(tmp_path), "--until", "shop"])
    assert found.exit_code == 2 and "another process has held" in found.stderr


def test_help_lists_the_programs_and_a_program_is_run_by_its_name() -> None:
    listed = CliRunner().invoke(app, ["--help"]).stdout
    assert all(name in listed for name in ("up", "feeds", "training", "evaluation", "index-builder", "service"))
    status, said = end_of(start("service", "serve", "--help"))
    assert status == 0 and "Serve searches until a signal stops it" in said
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert {name: pkgutil.resolve_name(target) for name, target in scripts.items()} == {"vitrine": app}
