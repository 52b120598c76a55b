"""The load test as a program against the real service: what it counts as a failure, and its exit code."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.store import Store
from tests.service.running import TOKEN, Running, running_service
from tests.service.shop import Shop, save_query_side
from tests.service.waiting import wait_until

LOCUSTFILE = Path(__file__).parent / "locustfile.py"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, store = tmp_path_factory.mktemp("model") / "query", tmp_path_factory.mktemp("store")
    save_query_side(folder, seed=1)
    for version in ("v1", "v2"):
        Shop(folder).add_version(store, version)
    Store(store).publish("v1")
    return store


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    path = tmp_path / "queries.txt"
    path.write_text("red shoes\nleather bag\nblue hat\n")
    return path


def load(
    url: str, queries: Path | str, *options: str, until: Callable[[], object] | None = None, seconds: int = 600
) -> subprocess.CompletedProcess[str]:
    """Run the load test headless with a few shoppers, until a condition holds or the seconds are over."""
    command = [sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--headless", "--only-summary"]
    command += f"--host {url} --users 9 --spawn-rate 9 --run-time {seconds}s".split()
    command += ["--queries", str(queries), *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LO")}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            if until is not None:
                wait_until(lambda: until() or running.poll() is not None, "the load has not done what it should")
                running.send_signal(signal.SIGTERM)
            output, errors = running.communicate(timeout=200)
        finally:
            running.kill()
    return subprocess.CompletedProcess(command, running.returncode, output, errors)


def changes(running: Running, kind: str) -> float:
    """Return how many changes of version of a kind have succeeded."""
    return running.metric("vitrine_version_changes_total", kind=kind, outcome="served")


def searches(running: Running, status: str = "200") -> float:
    """Return how many searches have been answered with a status."""
    return running.metric("vitrine_requests_total", route="/search", status=status)


def said(ran: subprocess.CompletedProcess[str]) -> str:
    """The verdict."""
    return next((line for line in ran.stdout.splitlines() if line.startswith("load: ")), ran.stdout + ran.stderr)


@pytest.mark.integration
def test_a_run_with_a_swap_and_a_rollback_is_within_its_limits(store: Path, queries: Path) -> None:
    with running_service(store) as running:
        options = ("--max-p99-ms", "60000", "--admin-token", TOKEN, "--swap-seconds", "1")
        done = load(
            running.url, queries, *options, until=lambda: changes(running, "rollback") and searches(running) >= 8
        )
        assert done.returncode == 0, said(done)
        assert changes(running, "swap") >= 1
    assert "changes of version: within the limits" in said(done)


@pytest.mark.integration
def test_broken_limits_fail_the_run(store: Path, queries: Path) -> None:
    with running_service(store) as running:
        ran = load(running.url, queries, "--max-p99-ms", "0.001", until=lambda: searches(running) >= 2)
        assert (ran.returncode, "p99 is over 0.001 ms" in said(ran)) == (1, True), said(ran)


@pytest.mark.integration
def test_a_service_that_refuses_fails_the_run(store: Path, queries: Path) -> None:
    with running_service(store, max_query_chars=1) as running:
        ran = load(running.url, queries, until=lambda: searches(running, "422") >= 2)
        assert (ran.returncode, "the error rate is over 0" in said(ran)) == (1, True), said(ran)


@pytest.mark.integration
def test_nobody_there_fails_the_run(queries: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    ran = load("http://127.0.0.1:9", queries, "--html", str(report), seconds=8)
    assert (ran.returncode, "the error rate is over 0" in said(ran)) == (1, True), said(ran)
    assert "/search" in report.read_text()


@pytest.mark.integration
def test_an_operator_who_cannot_swap_fails_the_run(tmp_path: Path, store: Path, queries: Path) -> None:
    with running_service(store) as running:
        options = ("--max-p99-ms", "60000", "--admin-token", "no-such-token-here")
        ran = load(running.url, queries, *options, until=lambda: searches(running) >= 2)
        assert (ran.returncode, "nothing was swapped" in said(ran)) == (1, True), said(ran)


@pytest.mark.integration
def test_queries_are_ranked_by_how_often_they_were_asked(tmp_path: Path) -> None:
    log = tmp_path / "interactions.parquet"
    pq.write_table(pa.table({"query": ["mug", "vase", "mug", "dress", "vase", "mug"]}), log)
    # In a process of its own: to import Locust changes sockets and threads of the whole process.
    script = f"""
import runpy
from pathlib import Path
locustfile = runpy.run_path({str(LOCUSTFILE)!r})
print(locustfile["ranked_queries"](Path({str(log)!r})))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "['mug', 'vase', 'dress']\n", ran.stderr


@pytest.mark.integration
@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "--queries (or LOAD_QUERIES) is missing"), ("\n \n", "holds no query")]
)
def test_queries_that_are_missing_end_it_with_a_sentence(tmp_path: Path, content: str | None, sentence: str) -> None:
    path = tmp_path / "queries.txt"
    if content is not None:
        path.write_text(content)
    ran = load("http://127.0.0.1:9", path if content is not None else "", seconds=1)
    assert ran.returncode != 0
    assert sentence in ran.stderr
