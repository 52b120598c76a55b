"""That wrk sends the lines of the file, none twice, and that a run with failures is no result."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.service import load as service_load
from benchmarks.service.load import LoadError, Requests, read_load, run_load
from benchmarks.service.queries import write_gets, write_posts
from tests.benchmarks.wrk import needs_wrk

RESULT = '{"requests": 20, "seconds": 2.0, "failed": 0, "mean_ms": 1.5, "p50_ms": 1.25, "p99_ms": 4.0}\n'


@dataclass
class Recorder:
    """A server that notes what it was sent, and answers all but the first so many with an error."""

    url: str = ""
    good: int = 1_000_000
    seen: list[tuple[str, str, str]] = field(default_factory=list)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            with lock:
                made.seen.append((self.command, self.path, body))
                status = 200 if len(made.seen) <= made.good else 500
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """wrk hangs up when its time is over."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def lines_of(requests: Requests) -> list[tuple[str, str, str]]:
    lines = [line.split(" ", 2) for line in requests.path.read_text(encoding="utf-8").splitlines()]
    return [(line[0], line[1], line[2] if len(line) > 2 else "") for line in lines]


def test_a_result_is_read() -> None:
    load = read_load(f"Running 2s test @ http://127.0.0.1:1\n  1 threads and 2 connections\n{RESULT}")
    assert load.per_s == 10 and (load.p50_ms, load.p99_ms) == (1.25, 4.0)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (RESULT.replace('"failed": 0', '"failed": 3'), "3 requests failed and 20 were answered"),
        (RESULT.replace('"requests": 20', '"requests": 0'), "0 requests failed and 0 were answered"),
        ("Running 2s test\n", "wrk printed no result: 'Running 2s test'"),
        ("", "wrk printed no result: ''"),
    ],
)
def test_no_result(output: str, message: str) -> None:
    with pytest.raises(LoadError, match=message):
        read_load(output)


def test_wrk_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LoadError, match=r"wrk is not installed; .* apt-get install wrk"):
        service_load.find_wrk()


@needs_wrk
@pytest.mark.integration
def test_the_lines_are_sent_in_turn(tmp_path: Path, recorder: Recorder) -> None:
    texts = [f'red "mug" {number} ü' for number in range(100_000)]
    posts = write_posts(tmp_path / "posts.txt", texts)
    load = run_load(recorder.url, posts, connections=3, seconds=1, first=99_990)
    lines = lines_of(posts)
    numbers = {line: number for number, line in enumerate(lines)}
    warm_up = [line for line in recorder.seen if 94_990 <= numbers[line] < 99_990]
    measured = [line for line in recorder.seen if not 94_990 <= numbers[line] < 99_990]
    assert len(measured) > load.requests - 10 and load.p99_ms >= load.p50_ms > 0
    for seen, first in ((warm_up, 94_990), (measured, 99_990)):
        expected = [*lines[first:], *lines][: len(seen)]
        assert len(seen) > 30 and len(set(seen)) == len(seen)
        assert len(set(seen) ^ set(expected)) <= 6  # three connections: nearly, but not just, in order


@needs_wrk
@pytest.mark.integration
def test_lines_without_a_body(tmp_path: Path, recorder: Recorder) -> None:
    gets = write_gets(tmp_path / "gets.txt", ["red mug", "a&b"])
    with pytest.raises(LoadError, match="and only 2 are different; choose fewer seconds"):
        run_load(recorder.url, gets, connections=1, seconds=1)
    assert set(recorder.seen) == set(lines_of(gets)) and recorder.seen[0] == lines_of(gets)[0]


@needs_wrk
@pytest.mark.integration
def test_a_failing_service_gives_no_result(tmp_path: Path, recorder: Recorder) -> None:
    recorder.good = 5
    posts = write_posts(tmp_path / "posts.txt", ["mug"], distinct=False)
    with pytest.raises(LoadError, match=r"[1-9][\d,]* requests failed"):
        run_load(recorder.url, posts, connections=1, seconds=1)
