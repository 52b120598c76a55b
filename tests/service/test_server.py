"""The process itself: how it starts, what it imports, how it stops."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from artifacts.store import Store
from tests.service.processes import environment, service_process, wait_for
from tests.service.shop import Shop, save_query_side

pytestmark = pytest.mark.integration

# Makes the encoder of a real service slow.
SLOW_ENCODER = """
import time
from towers.query_encoder import OnnxQueryEncoder
encode = OnnxQueryEncoder.encode
def slowly(self, queries):
    time.sleep(1.0 if "slow" in queries else 0)
    return encode(self, queries)
OnnxQueryEncoder.encode = slowly
"""
# What a CPU service must do without.
FORBIDDEN = ("torch", "lightning", "pytorch_lightning", "duckdb", "ibis", "open_clip", "transformers",
             "torchvision", "ray", "matplotlib", "onnx", "safetensors")  # fmt: skip
STRICT_IMPORTS = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {FORBIDDEN!r}:
            raise ImportError(f"the service must not import {{name}}")
sys.meta_path.insert(0, Refuse())
"""


def test_a_cpu_service_starts_and_searches_without_torch(good_store: Path, tmp_path: Path) -> None:
    with service_process(good_store, tmp_path, STRICT_IMPORTS, VITRINE_MAX_BACTH="5") as process:
        answer = httpx.post(f"{process.url}/search", json={"query": "red shoes"})
        assert (answer.status_code, answer.json()["index_version"]) == (200, "v1")
        process.stop()
        assert process.popen.wait(10) == 0
    log = process.log.read_text()
    assert "event=unknown_variable name=VITRINE_MAX_BACTH" in log
    assert "Traceback" not in log


def test_a_cpu_service_of_the_sample_shops_size_starts_fast_and_small(tmp_path: Path) -> None:
    save_query_side(tmp_path / "model", seed=1, width=256, feed_forward=1024)
    index = Shop(tmp_path / "model").add_version(tmp_path, "v1", count=3000, manifest={"width": 256}) / "index.faiss"
    Store(tmp_path).publish("v1")
    with service_process(tmp_path, tmp_path, STRICT_IMPORTS) as process:
        # Of the processor, and so of the clock where the machine does nothing else: a start waits for nothing.
        assert process.cpu_seconds() < 5
        assert httpx.post(f"{process.url}/search", json={"query": "red shoes"}, timeout=60).status_code == 200
        assert process.resident_bytes() - index.stat().st_size < 300e6


def test_sigterm_answers_what_is_under_way_and_is_seen_at_ready(good_store: Path, tmp_path: Path) -> None:
    with service_process(
        good_store, tmp_path, SLOW_ENCODER, VITRINE_DRAIN_NOTICE_SECONDS="2.5", VITRINE_DRAIN_SECONDS="10"
    ) as process, httpx.Client(base_url=process.url, timeout=20) as client:  # fmt: skip
        assert client.get("/ready").status_code == 200
        answers: list[httpx.Response] = []

        def search(query: str) -> None:
            answers.append(httpx.post(f"{process.url}/search", json={"query": query}, timeout=20))

        slow = threading.Thread(target=search, args=("slow",))
        slow.start()
        time.sleep(0.3)  # it is being encoded; what follows has to queue
        queued = [threading.Thread(target=search, args=("hat",)) for _ in range(5)]
        for thread in queued:
            thread.start()
        time.sleep(0.1)
        process.stop()
        time.sleep(0.1)
        ready = client.get("/ready")  # within the time of notice, on a kept connection
        assert (ready.status_code, ready.json()["detail"]) == (503, "the process is about to stop")
        assert httpx.get(f"{process.url}/health").json()["state"] == "draining"  # and on a new one
        late = httpx.post(f"{process.url}/search", json={"query": "bag"}, timeout=20)
        assert late.status_code == 200
        for thread in (slow, *queued):
            thread.join(20)
        assert [answer.status_code for answer in answers] == [200] * 6
        assert process.popen.wait(10) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{process.url}/health")
    assert "event=stopped" in process.log.read_text()


def test_a_drain_under_load_loses_no_request(good_store: Path, tmp_path: Path) -> None:
    answers: list[httpx.Response] = []
    lost: list[httpx.HTTPError] = []
    turn_away = threading.Event()

    def search_on(url: str, number: int) -> None:
        """One search after the other; the encoder takes a second for each batch of them."""
        with httpx.Client(base_url=url, timeout=30) as client:
            while not turn_away.is_set():
                try:
                    answers.append(client.post("/search", json={"query": "slow", "k": 1 + number}))
                except httpx.HTTPError as error:
                    lost.append(error)

    with service_process(
        good_store, tmp_path, SLOW_ENCODER,
        VITRINE_DRAIN_NOTICE_SECONDS="2", VITRINE_DRAIN_SECONDS="30", VITRINE_CACHE_MB="0", VITRINE_MAX_BATCH="4",
    ) as process:  # fmt: skip
        threads = [threading.Thread(target=search_on, args=(process.url, number)) for number in range(12)]
        for thread in threads:
            thread.start()
        while len(answers) < 12:
            time.sleep(0.02)
        process.stop()
        before = len(answers)
        time.sleep(1.2)  # a balancer that has seen /ready turns away; the last of these wait past the listener's end
        turn_away.set()
        for thread in threads:
            thread.join(30)
        assert process.popen.wait(30) == 0
    assert lost == []
    assert {answer.status_code for answer in answers} == {200}
    assert len(answers) >= before + 12
    # From the signal on, clients are told to connect anew: to another replica, where there is one.
    assert [answer.headers.get("connection") for answer in answers[:12]] == [None] * 12
    assert answers[-1].headers["connection"] == "close"


def test_where_the_process_that_searches_is_killed_the_service_goes_on(good_store: Path, tmp_path: Path) -> None:
    variables = {"VITRINE_ADMIN_TOKEN": "correct-horse-battery", "VITRINE_CACHE_MB": "0"}
    with service_process(good_store, tmp_path, SLOW_ENCODER, **variables) as process:
        answers: list[httpx.Response] = []

        def search(query: str) -> int:
            answers.append(httpx.post(f"{process.url}/search", json={"query": query}, timeout=20))
            return answers[-1].status_code

        (first,) = process.search_pids()
        waiting = threading.Thread(target=search, args=("slow",))
        waiting.start()
        time.sleep(0.4)
        os.kill(first, signal.SIGKILL)
        waiting.join(10)
        assert answers[0].status_code == 500
        assert answers[0].json()["detail"] == "the search broke inside the service; its log says how"
        ready = httpx.get(f"{process.url}/ready")
        assert (ready.status_code, ready.json()["detail"]) == (
            503, "the process that searched version v1 ended; another one is being started",
        )  # fmt: skip
        wait_for(process.log, process.popen, "event=recover outcome=(served) version=v1")
        assert search("hat") == 200
        (second,) = process.search_pids()
        assert second != first
        swapped = httpx.post(
            f"{process.url}/admin/index/swap", json={"version": "v2"}, timeout=60,
            headers={"Authorization": "Bearer correct-horse-battery"},
        )  # fmt: skip
        assert (swapped.status_code, swapped.json()["replaced"]) == (200, "v1")
        assert answers[-1].json()["index_version"] == "v1"
        assert search("hat") == 200 and answers[-1].json()["index_version"] == "v2"
        (third,) = process.search_pids()
        assert third not in (first, second)
        numbers = httpx.get(f"{process.url}/metrics").text
        assert 'vitrine_version_changes_total{kind="recover",outcome="served"} 1.0' in numbers
        assert "vitrine_search_process_resident_memory_bytes" in numbers
        process.stop()
        assert process.popen.wait(10) == 0
    assert not Path(f"/proc/{third}").exists()


def test_where_the_service_is_killed_its_searching_process_ends(good_store: Path, tmp_path: Path) -> None:
    with service_process(good_store, tmp_path) as process:
        (pid,) = process.search_pids()
        process.popen.kill()
        process.popen.wait(10)
        give_up_at = time.monotonic() + 10
        while Path(f"/proc/{pid}/exe").exists():
            assert time.monotonic() < give_up_at
            time.sleep(0.02)


def test_two_replicas_follow_one_publish(shop: Shop, tmp_path: Path) -> None:
    store = tmp_path / "store"
    for version, prefix in (("v1", "p"), ("v2", "q")):
        shop.add_version(store, version, prefix=prefix)
    Store(store).publish("v1")
    folders = [tmp_path / name for name in ("first", "second")]
    with contextlib.ExitStack() as stack:
        replicas = []
        for folder in folders:
            folder.mkdir()
            replicas.append(stack.enter_context(service_process(store, folder, VITRINE_FOLLOW_STORE="1")))
        clients = [stack.enter_context(httpx.Client(base_url=replica.url)) for replica in replicas]

        def search_until(version: str) -> None:
            """Search both until both have answered from this version; not one search may fail meanwhile."""
            give_up_at = time.monotonic() + 60
            served = set()
            while served != {version}:
                assert time.monotonic() < give_up_at, served
                found = [client.post("/search", json={"query": "red shoes"}) for client in clients]
                assert [answer.status_code for answer in found] == [200, 200]
                served = {answer.json()["index_version"] for answer in found}
                assert served <= {"v1", "v2"}
                time.sleep(0.05)

        search_until("v1")
        Store(store).publish("v2")
        search_until("v2")
        shop.add_version(store, "v3")
        (store / "versions" / "v3" / "products.parquet").write_bytes(b"damaged on the way")
        Store(store).publish("v3")
        for replica in replicas:
            wait_for(replica.log, replica.popen, "event=follow outcome=(refused) version=v3")
        search_until("v2")


def test_draining_ends_in_time_despite_a_client_that_never_finishes(good_store: Path, tmp_path: Path) -> None:
    with service_process(
        good_store, tmp_path, VITRINE_DRAIN_NOTICE_SECONDS="0.1", VITRINE_DRAIN_SECONDS="1"
    ) as process:
        host, port = process.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as hanging:
            hanging.sendall(b"POST /search HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            time.sleep(0.2)
            process.stop()
            stopped_at = time.monotonic()
            assert process.popen.wait(10) == 0
            assert time.monotonic() - stopped_at < 4


def test_ctrl_c_stops_without_notice(good_store: Path, tmp_path: Path) -> None:
    with service_process(good_store, tmp_path, VITRINE_DRAIN_NOTICE_SECONDS="15") as process:
        process.stop(signal.SIGINT)
        assert process.popen.wait(5) == 0


def test_a_second_sigterm_cuts_the_notice_short(good_store: Path, tmp_path: Path) -> None:
    with service_process(good_store, tmp_path, VITRINE_DRAIN_NOTICE_SECONDS="15") as process:
        process.stop()
        time.sleep(0.3)
        assert process.popen.poll() is None
        process.stop()
        assert process.popen.wait(5) == 0


def serve(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "service", "serve", *arguments],
        capture_output=True, text=True, timeout=60, env=environment(**variables),
    )  # fmt: skip


def test_bad_settings_end_with_a_sentence_each() -> None:
    done = serve("--port", "70000", VITRINE_ADMIN_TOKEN="short", VITRINE_MAX_K="1")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "error: VITRINE_STORE is missing and has no default",
        "error: VITRINE_PORT is '70000': input should be less than or equal to 65535",
        "error: VITRINE_ADMIN_TOKEN is not usable: expected at least 16 printable ASCII characters without "
        "blanks; leave it unset to turn the admin routes off",
    ]


def test_a_port_in_use_ends_with_a_sentence(good_store: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = serve("--store", str(good_store), "--port", str(port))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"error: VITRINE_HOST and VITRINE_PORT are '127.0.0.1' and {port}: cannot listen there: Address already in use"
    )
    assert "Traceback" not in done.stderr
