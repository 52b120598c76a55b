"""python -m service try."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app
from tests.service.running import Running, running_service

pytestmark = pytest.mark.integration


def try_it(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["try", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_hits_are_listed_and_the_curl_line_repeats_the_search(served: Running) -> None:
    queries = ["--query", "red shoes", "--query", "it's blue"]
    code, shown, _ = try_it("--url", f"{served.url}/", *queries, "--top", "2")
    assert code == 0
    first, second = shown.strip().split("\n\n")
    lines = first.splitlines()
    assert lines[0].startswith("red shoes: 2 products in ")
    assert lines[0].endswith(" ms, version v1")
    hits = served.search("red shoes", k=2).json()["hits"]
    for line, hit in zip(lines[1:3], hits, strict=True):
        price = f"  {hit['price']}" if hit["price"] is not None else ""
        assert line == f"    {hit['rank']}  {hit['score']:.4f}  {hit['title']}  [{hit['product_id']}]{price}"
    assert second.startswith("it's blue: 2 products")
    curl = shlex.split(second.splitlines()[-1])
    body = subprocess.run(curl, capture_output=True, text=True, check=True).stdout
    assert '"query":"it\'s blue"' in body


def test_without_queries_there_are_examples(served: Running) -> None:
    code, shown, _ = try_it("--url", served.url)
    assert code == 0
    assert shown.count("curl -s") == 2


def test_nobody_there() -> None:
    code, _, error = try_it("--url", "http://127.0.0.1:9", "--wait", "0.1")
    assert code == 1
    assert error.startswith("error: http://127.0.0.1:9 is not ready after 0.1 s: ")


def test_not_ready(tmp_path: Path) -> None:
    with running_service(tmp_path, until="waiting") as running:
        code, _, error = try_it("--url", running.url, "--wait", "0")
    assert code == 1
    assert error == f"error: {running.url} is not ready after 0 s: the store publishes no version\n"


def test_a_refused_search(served: Running) -> None:
    code, _, error = try_it("--url", served.url, "--query", "a" * 501)
    assert code == 1
    assert "failed: 422 The request is not valid: query has 501 characters: expected at most 500" in error


def test_as_a_module(served: Running) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service", "try", "--url", served.url, "--query", "hat"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("hat: 5 products")
