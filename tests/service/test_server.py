"""The service as a process: how it starts, what it imports, how it stops."""

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
from prometheus_client.parser import text_string_to_metric_families

from artifacts.store import Store
from tests.service.processes import environment, service_process, wait_for
from tests.service.shop import Shop, save_query_side
from tests.service.waiting import wait_until

pytestmark = pytest.mark.integration

# In a real service: a batch with the query "held" waits in the encoder until a test lets it go on.
HELD_ENCODER = """
import os, pathlib, time
from towers.query_encoder import OnnxQueryEncoder
encode = OnnxQueryEncoder.encode
gate = pathlib.Path(os.environ["HELD_ENCODER"])
def held(self, queries):
    if "held" in queries:
        (gate / "entered").touch()
        while not (gate / "go").exists():
            time.sleep(0.01)
    return encode(self, queries)
OnnxQueryEncoder.encode = held
"""
LONG_NOTICE = {"VITRINE_DRAIN_NOTICE_SECONDS": "300", "VITRINE_DRAIN_SECONDS": "600"}
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
        assert process.popen.wait(60) == 0
    log = process.log.read_text()
    assert "event=unknown_variable name=VITRINE_MAX_BACTH" in log
    assert "Traceback" not in log


def test_a_cpu_service_of_the_sample_shops_size_starts_fast_and_small(tmp_path: Path) -> None:
    save_query_side(tmp_path / "model", seed=1, width=256, feed_forward=1024)
    index = Shop(tmp_path / "model").add_version(tmp_path, "v1", count=3000, manifest={"width": 256}) / "index.faiss"
    Store(tmp_path).publish("v1")
    with service_process(tmp_path, tmp_path, STRICT_IMPORTS) as process:
        # Processor time, which does not depend on what else the machine does.
        assert process.cpu_seconds() < 5
        assert httpx.post(f"{process.url}/search", json={"query": "red shoes"}, timeout=60).status_code == 200
        assert process.resident_bytes() - index.stat().st_size < 300e6


def accepted_searches(url: str) -> float:
    """Return how many searches the service has accepted, answered or not."""
    numbers = {
        sample.name: sample.value
        for family in text_string_to_metric_families(httpx.get(f"{url}/metrics", timeout=60).text)
        for sample in family.samples
    }
    return numbers["vitrine_batch_size_sum"] + numbers["vitrine_queue_depth"]


def is_closed(url: str) -> bool:
    """Return whether nothing listens on the address any more."""
    try:
        httpx.get(f"{url}/health", timeout=60)
    except httpx.ConnectError:
        return True
    return False


def test_sigterm_answers_what_is_under_way_and_is_seen_at_ready(good_store: Path, tmp_path: Path) -> None:
    """The notice is ended by a second signal."""
    with service_process(
        good_store, tmp_path, HELD_ENCODER, HELD_ENCODER=str(tmp_path), VITRINE_SEARCH_THREADS="1",
        VITRINE_DRAIN_NOTICE_SECONDS="60", VITRINE_DRAIN_SECONDS="120", VITRINE_DEADLINE_SECONDS="60",
    ) as process, httpx.Client(base_url=process.url, timeout=60) as client:  # fmt: skip
        assert client.get("/ready").status_code == 200
        answers: list[httpx.Response] = []

        def search(query: str) -> threading.Thread:
            def send() -> None:
                answers.append(httpx.post(f"{process.url}/search", json={"query": query}, timeout=60))

            thread = threading.Thread(target=send)
            thread.start()
            return thread

        searches = [search("held")]
        wait_until((tmp_path / "entered").exists, "the first search was not encoded")
        searches += [search("hat") for _ in range(5)]
        wait_until(lambda: accepted_searches(process.url) == 6, "six searches do not wait")
        process.stop()
        wait_for(process.log, process.popen, "(event=draining)")
        ready = client.get("/ready")  # on a connection that was there before
        assert (ready.status_code, ready.json()["detail"]) == (503, "the process is about to stop")
        assert httpx.get(f"{process.url}/health").json()["state"] == "draining"  # and on a new one
        searches.append(search("bag"))
        wait_until(lambda: accepted_searches(process.url) == 7, "a search during the notice is not taken")
        process.stop()
        wait_until(lambda: is_closed(process.url), "the service still listens")
        assert answers == []
        (tmp_path / "go").touch()
        for thread in searches:
            thread.join(60)
        assert [answer.status_code for answer in answers] == [200] * 7
        assert process.popen.wait(60) == 0
    assert "event=stopped" in process.log.read_text()


def test_a_drain_under_load_loses_no_request(good_store: Path, tmp_path: Path) -> None:
    """Every shopper waits for an answer when the notice ends and the listener closes."""
    shoppers = 12
    answers: list[httpx.Response] = []
    lost: list[httpx.HTTPError] = []
    turn_away, query = threading.Event(), "hat"

    def search_on(url: str, number: int) -> None:
        with httpx.Client(base_url=url, timeout=60) as client:
            while not turn_away.is_set():
                try:
                    answers.append(client.post("/search", json={"query": query, "k": 1 + number}))
                except httpx.HTTPError as error:
                    lost.append(error)

    with service_process(
        good_store, tmp_path, HELD_ENCODER, HELD_ENCODER=str(tmp_path), VITRINE_SEARCH_THREADS="1",
        VITRINE_DRAIN_NOTICE_SECONDS="60", VITRINE_DRAIN_SECONDS="120", VITRINE_DEADLINE_SECONDS="60",
        VITRINE_CACHE_MB="0", VITRINE_MAX_BATCH="4",
    ) as process:  # fmt: skip
        threads = [threading.Thread(target=search_on, args=(process.url, number)) for number in range(shoppers)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(answers) >= 2 * shoppers, "the shoppers get no answers")
        process.stop()
        wait_for(process.log, process.popen, "(event=draining)")
        before = len(answers)
        wait_until(lambda: len(answers) >= before + 2 * shoppers, "during the notice the shoppers get no answers")
        query = "held"  # from now on every shopper waits
        wait_until(lambda: accepted_searches(process.url) == len(answers) + shoppers, "not every shopper waits")
        turn_away.set()
        process.stop()
        wait_until(lambda: is_closed(process.url), "the service still listens")
        (tmp_path / "go").touch()
        for thread in threads:
            thread.join(60)
        assert process.popen.wait(60) == 0
    assert lost == []
    assert {answer.status_code for answer in answers} == {200}
    # From the signal on, clients are asked to connect again: to another replica, where there is one.
    assert [answer.headers.get("connection") for answer in answers[:shoppers]] == [None] * shoppers
    assert {answer.headers.get("connection") for answer in answers[-shoppers:]} == {"close"}


def test_where_the_process_that_searches_is_killed_the_service_goes_on(good_store: Path, tmp_path: Path) -> None:
    variables = {"VITRINE_ADMIN_TOKEN": "correct-horse-battery", "VITRINE_CACHE_MB": "0"}
    with service_process(good_store, tmp_path, HELD_ENCODER, HELD_ENCODER=str(tmp_path), **variables) as process:
        answers: list[httpx.Response] = []

        def search(query: str) -> int:
            answers.append(httpx.post(f"{process.url}/search", json={"query": query}, timeout=60))
            return answers[-1].status_code

        (first,) = process.search_pids()
        waiting = threading.Thread(target=search, args=("held",))
        waiting.start()
        wait_until((tmp_path / "entered").exists, "the search was not encoded")
        os.kill(first, signal.SIGKILL)
        waiting.join(60)
        assert (answers[0].status_code, answers[0].headers["retry-after"]) == (503, "1")
        assert answers[0].json()["detail"] == "the search process was lost; try again in a moment"
        ready = httpx.get(f"{process.url}/ready")
        assert (ready.status_code, ready.json()["detail"]) == (
            503, "the worker process of version v1 ended; another one is being started",
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
        assert process.popen.wait(60) == 0
    assert not Path(f"/proc/{third}").exists()


# In a real service: what stands outside of the search itself fails for these queries, each in its own place.
FAULTS = """
from service.worker import search_process
parse, receive = search_process.queries_from_message, search_process.receive
def broken_parse(message):
    if "unreadable" in str(message.head):
        raise BaseException("a panic")
    return parse(message)
def broken_receive(connection, buffer):
    message = receive(connection, buffer)
    if message is not None and "disconnected" in str(message.head):
        raise RuntimeError("the socket broke")
    return message
search_process.queries_from_message, search_process.receive = broken_parse, broken_receive
"""


def test_faults_in_the_threads_of_the_searching_process_leave_one_process(good_store: Path, tmp_path: Path) -> None:
    with (
        service_process(good_store, tmp_path, FAULTS, VITRINE_CACHE_MB="0") as process,
        httpx.Client(base_url=process.url, timeout=60) as client,
    ):

        def search(query: str) -> httpx.Response:
            return client.post("/search", json={"query": query})

        (first,) = process.search_pids()
        for _ in range(3):
            assert search("unreadable").status_code == 500
            assert search("hat").status_code == 200
        assert process.search_pids() == [first], "the thread goes on after a batch that it cannot read"
        for _ in range(2):
            lost = search("disconnected")
            assert (lost.status_code, lost.headers["retry-after"]) == (503, "1")
            wait_until(lambda: search("hat").status_code == 200, "the version is not loaded again")
        wait_until(lambda: len(process.search_pids()) == 1, "processes are left")
        assert process.search_pids() != [first]
    assert "event=search_thread_failed thread=vitrine-search-0" in process.log.read_text()


# In a real service: versions are not loaded while there is a file "hold".
HELD_LOAD = """
import os, pathlib, time
from service.worker import search_process
load, hold = search_process._load, pathlib.Path(os.environ["HELD_LOAD"]) / "hold"
def held(config):
    while hold.exists():
        time.sleep(0.01)
    return load(config)
search_process._load = held
"""


def test_a_searching_process_that_hangs_is_noticed_replaced_and_blamed_on_no_request(
    good_store: Path, tmp_path: Path
) -> None:
    with (
        service_process(
            good_store, tmp_path, HELD_LOAD, HELD_LOAD=str(tmp_path),
            VITRINE_ADMIN_TOKEN="correct-horse-battery", VITRINE_DEADLINE_SECONDS="60",
        ) as process,
        httpx.Client(base_url=process.url, timeout=60) as client,
    ):  # fmt: skip
        swapped = client.post(
            "/admin/index/swap", json={"version": "v2"},
            headers={"Authorization": "Bearer correct-horse-battery", "X-Request-ID": "the-swap"},
        )  # fmt: skip
        assert swapped.status_code == 200
        (tmp_path / "hold").touch()
        (hanging,) = process.search_pids()
        os.kill(hanging, signal.SIGSTOP)
        lost = client.post("/search", json={"query": "hat"})
        assert (lost.status_code, lost.headers["retry-after"]) == (503, "1")
        assert lost.json()["detail"] == "the search process was lost; try again in a moment"
        ready = client.get("/ready")
        assert (ready.status_code, ready.json()["detail"]) == (
            503,
            "the worker process of version v2 answered no heartbeat for 4 s and was killed; "
            "another one is being started",
        )
        shown = client.get("/metrics").text
        assert "vitrine_index_version{" not in shown and "vitrine_index_products 0.0" in shown
        (tmp_path / "hold").unlink()
        wait_for(process.log, process.popen, "event=recover outcome=(served) version=v2")
        assert client.post("/search", json={"query": "hat"}).json()["index_version"] == "v2"
        wait_until(lambda: not Path(f"/proc/{hanging}").exists(), "the hanging process was not killed")
    of_the_swap = [line for line in process.log.read_text().splitlines() if "request_id=the-swap" in line]
    assert len(of_the_swap) == 1 and "event=swap outcome=served" in of_the_swap[0]


def test_where_the_service_is_killed_its_searching_process_ends(good_store: Path, tmp_path: Path) -> None:
    with service_process(good_store, tmp_path) as process:
        (pid,) = process.search_pids()
        process.popen.kill()
        process.popen.wait(60)
        wait_until(lambda: not Path(f"/proc/{pid}/exe").exists(), "the process that searches has not ended")


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
            httpx.get(f"{process.url}/health")  # by its answer the connection before it was taken, too
            process.stop()
            assert process.popen.wait(60) == 0


def test_ctrl_c_stops_without_notice(good_store: Path, tmp_path: Path) -> None:
    with service_process(
        good_store, tmp_path, VITRINE_DRAIN_NOTICE_SECONDS="300", VITRINE_DRAIN_SECONDS="600"
    ) as process:
        process.stop(signal.SIGINT)
        assert process.popen.wait(60) == 0


def test_a_second_sigterm_cuts_the_notice_short(good_store: Path, tmp_path: Path) -> None:
    with service_process(
        good_store, tmp_path, VITRINE_DRAIN_NOTICE_SECONDS="300", VITRINE_DRAIN_SECONDS="600"
    ) as process:
        process.stop()
        wait_for(process.log, process.popen, "(event=draining)")
        assert httpx.get(f"{process.url}/health").status_code == 200
        process.stop()
        assert process.popen.wait(60) == 0


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
        "spaces; leave it unset to turn the admin routes off",
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
