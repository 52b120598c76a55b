"""Encoding on a Ray cluster: what one machine alone would have made, also where a node is lost on the way."""

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from artifacts.catalog import open_catalog
from artifacts.index_version import INDEX_FILE, KEYS_FILE, TOWER_VECTORS_FILE
from artifacts.store import Store
from index_builder import update
from index_builder.build import BuildRequest, build_version
from index_builder.cli.app import app
from index_builder.core.errors import BuildError, OptionError
from index_builder.embeddings import ray_engine
from index_builder.embeddings.embed import EncodingOptions
from index_builder.embeddings.job import EncodingJob
from index_builder.embeddings.plan import write_plan
from index_builder.embeddings.ray_engine import ActorLayout, RayEngine, actor_layout
from index_builder.embeddings.shard import read_shard
from index_builder.index.indexing import IndexRequest
from index_builder.photos.download import DownloadSettings
from index_builder.versions.ledger import version_failures
from index_builder.versions.verify import verify_version
from tests.index_builder.embedding import as_planned
from tests.index_builder.web import Handler, Web, page, serve, unused_port
from tests.support.build_processes import run_command
from tests.support.fork_server import FORK_SERVER

SHARD_ROWS = 12  # 25 tasks
URL = 13  # a row that names another server, where nobody is
ALLOWED = DownloadSettings(allow_private_addresses=True, concurrency=1, timeout_s=200)


@pytest.mark.parametrize(
    ("nodes", "threads", "expected"),
    [
        ([{"CPU": 4}], None, ActorLayout(1, 4, False, 1)),
        ([{"CPU": 64}, {"CPU": 12}, {"memory": 1.0}], None, ActorLayout(9, 8, False, 2)),
        ([{"CPU": 64}, {"CPU": 2}], None, ActorLayout(33, 2, False, 2)),
        ([{"CPU": 64}, {"CPU": 2}], 16, ActorLayout(4, 16, False, 1)),
        ([{"CPU": 16, "GPU": 1}], None, ActorLayout(1, 16, True, 1)),
        ([{"CPU": 64}, {"CPU": 96, "GPU": 8}, {"CPU": 16, "GPU": 2}], None, ActorLayout(10, 8, True, 2)),
        ([{"CPU": 1, "GPU": 4}], None, ActorLayout(4, 1, True, 1)),
        ([{"CPU": 16, "GPU": 2}], 3, ActorLayout(2, 3, True, 1)),
    ],
)
def test_actors_by_what_the_nodes_have(
    nodes: list[dict[str, float]], threads: int | None, expected: ActorLayout
) -> None:
    assert actor_layout(nodes, threads) == expected


def test_actors_in_words() -> None:
    assert actor_layout([{"CPU": 4}], 2).description == "Ray: actors 2, CPU threads each 2, nodes 1"
    assert (
        actor_layout([{"CPU": 4, "GPU": 1}], 2).description == "Ray: actors 1, CPU threads each 2, a GPU each, nodes 1"
    )


@pytest.mark.parametrize(("nodes", "largest"), [([{"CPU": 4}, {"CPU": 8}], 8), ([{"memory": 1}], 0)])
def test_no_node_for_an_actor(nodes: list[dict[str, float]], largest: int) -> None:
    with pytest.raises(OptionError) as caught:
        actor_layout(nodes, 9)
    assert str(caught.value) == f"ray threads: no node of the cluster has 9 CPUs; the largest has {largest}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threads": 0}, "ray threads: expected at least 1, got 0"),
        ({"address": "head"}, "ray address: expected HOST:PORT, got 'head'"),
        ({"address": "ray://head:10001"}, "ray address: expected HOST:PORT, got 'ray://head:10001'"),
        ({"address": f"127.0.0.1:{unused_port()}"}, "ray address: no cluster answers at 127.0.0.1:"),
        ({"address": "127.0.0.1:65536"}, "ray address: no cluster answers at 127.0.0.1:65536: "),
    ],
)
def test_bad_options(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        RayEngine(**arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("count", "actors", "size"), [(1, 2, 1), (25, 2, 3), (25, 100, 1), (825, 8, 8)])
def test_every_task_is_in_one_call(count: int, actors: int, size: int) -> None:
    tasks = list(range(100, 100 + count))
    calls = ray_engine._calls(tasks, actors)
    assert [task for call in calls for task in call] == tasks
    assert {len(call) for call in calls[:-1]} <= {size} and 1 <= len(calls[-1]) <= size


@pytest.fixture
def job(catalog: Path, tmp_path: Path) -> EncodingJob:
    plan = write_plan(tmp_path / "x.plan", "a test", as_planned(open_catalog(catalog).batches()), 100)
    return EncodingJob(tmp_path / "bundle", catalog.parent, plan, DownloadSettings())


def test_tasks_that_are_left_are_counted(job: EncodingJob) -> None:
    job.plan.shard_path(1).touch()
    with pytest.raises(BuildError) as caught:
        ray_engine._check_all_written(job.plan, {1: "10.0.0.1"})
    assert str(caught.value) == (
        "2 of 3 tasks are left, which the Ray cluster could not do; the same command continues where it stopped"
    )


def test_a_store_that_each_node_has_for_itself_is_noticed(job: EncodingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "_SHARDS_TIMEOUT_S", 0.1)
    job.plan.shard_path(0).touch()
    with pytest.raises(BuildError) as caught:
        ray_engine._check_all_written(job.plan, {0: "10.0.0.1", 1: "10.0.0.1", 2: "10.0.0.2"})
    assert str(caught.value) == (
        f"{job.plan.shard_path(1)}, which node 10.0.0.1 wrote, is not seen here: "
        "the store must be on a file system that all nodes see"
    )


def test_shards_that_are_seen_late_are_waited_for(job: EncodingJob) -> None:
    writers = [threading.Timer(0.3, job.plan.shard_path(task).touch) for task in job.plan.tasks]
    for writer in writers:
        writer.start()
    ray_engine._check_all_written(job.plan, dict.fromkeys(job.plan.tasks, "10.0.0.1"))


def command_without_ray(arguments: list[str], log: str) -> None:
    """Run a command in a process that cannot import Ray, and has not loaded it with the index builder's modules."""
    assert update and "ray" not in sys.modules
    sys.modules["ray"] = None  # type: ignore[assignment]
    run_command(arguments, log)


@pytest.mark.integration
def test_ray_is_loaded_only_where_asked_for_and_named_where_it_is_missing(tmp_path: Path) -> None:
    """It is named before anything else is looked at."""
    options = ["build", "--bundle", "none", "--catalog", "none", "--store", str(tmp_path / "s"), "--engine", "ray"]
    process = FORK_SERVER.Process(target=command_without_ray, args=(options, str(tmp_path / "log")))
    process.start()
    process.join(200)
    assert process.exitcode == 2
    printed = (tmp_path / "log").read_text()
    assert printed.startswith("Error: the engine 'ray' needs Ray Data (")
    assert printed.endswith("); install it with: pip install 'vitrine[ray]'\n")


def test_options_of_ray_need_the_engine(tmp_path: Path) -> None:
    options = ["--bundle", "none", "--catalog", "none", "--store", str(tmp_path), "--ray-threads", "2"]
    result = CliRunner().invoke(app, ["build", *options])
    assert result.exit_code == 2
    assert result.stderr == "Error: --ray-address and --ray-threads go with --engine ray\n"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """The first node of a real cluster on this machine, with one CPU."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # On a machine that does much else a node takes longer to start than Ray waits for it.
        patch.setenv("RAY_agent_register_timeout_ms", "200000")
        patch.setenv("RAY_raylet_start_wait_time_s", "200")
        patch.setenv("RAY_worker_register_timeout_seconds", "200")
        cluster = Cluster()
        cluster.add_node(num_cpus=1, object_store_memory=80_000_000, include_dashboard=False, wait=False)
        cluster.wait_for_nodes(200)
        raylets = [raylet_of(cluster.head_node)]
        try:
            yield cluster
            raylets += [raylet_of(node) for node in cluster.worker_nodes]
        finally:
            cluster.shutdown()
    wait_until(lambda: not workers_of(raylets), "workers of the cluster are left behind", 60)


@pytest.fixture
def second_node(cluster: Any) -> Iterator[Any]:
    """The other node, which the driver is not connected to; that of an earlier test if it is still alive."""
    if not cluster.worker_nodes:
        cluster.add_node(num_cpus=1, object_store_memory=80_000_000, include_dashboard=False, wait=False)
        cluster.wait_for_nodes(200)
    (node,) = cluster.worker_nodes
    raylet = raylet_of(node)
    yield node
    if node not in cluster.worker_nodes:
        wait_until(lambda: not workers_of([raylet]), "workers of the second node are left behind", 60)


def raylet_of(node: Any) -> int:
    """Process id of the program that holds a node."""
    return int(node.all_processes["raylet"][0].process.pid)


def workers_of(raylets: Sequence[int]) -> list[int]:
    """Processes that these have started, also those that they have left as orphans."""
    marks = [f"RAY_RAYLET_PID={raylet}".encode() for raylet in raylets]
    found = []
    for folder in Path("/proc").iterdir():
        try:
            environment = (folder / "environ").read_bytes().split(b"\0") if folder.name.isdecimal() else []
        except OSError:  # it has just ended, or is another user's
            continue
        if any(mark in environment for mark in marks):
            found.append(int(folder.name))
    return found


def wait_until(true: Any, otherwise: str, seconds: float) -> None:
    give_up_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up_s, otherwise
        time.sleep(0.05)


def when_two_ask(content: bytes) -> Any:
    """A photo that trickles until two clients are served at a time: an actor on each node is at work then."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        sent = 0
        while not handler.web.two_at_once.is_set() and sent < len(content) - 1:
            handler.wfile.write(content[sent : sent + 1])
            handler.wfile.flush()
            sent += 1
            handler.web.two_at_once.wait(0.5)
        handler.web.pace.wait(0.03)  # so that a node has work left when the other one is killed
        handler.wfile.write(content[sent:])

    return answer


@pytest.fixture(scope="module")
def served_shop(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Web]]:
    """The shop with its whole photos on a server; broken ones as they were."""
    folder = tmp_path_factory.mktemp("served") / "shop"
    table = pq.read_table(catalog)
    images = table["image"].to_pylist()
    whole = {image for image in images if image and image.startswith("images/")}
    answers = {f"/{image}": when_two_ask((catalog.parent / image).read_bytes()) for image in whole}
    with serve(answers | {"/gone": page(404)}) as web:
        urls = [web.url(f"/{image}") if image in whole else image for image in images]
        urls[0], urls[URL] = web.url("/gone"), None
        folder.mkdir()
        (folder / "truncated.png").write_bytes((catalog.parent / "truncated.png").read_bytes())
        path = folder / "catalog.parquet"
        pq.write_table(table.set_column(table.column_names.index("image"), "image", pa.array(urls, pa.string())), path)
        yield path, web


@pytest.fixture
def shop(served_shop: tuple[Path, Web]) -> tuple[Path, Web]:
    """The served shop as if nobody had asked for a photo yet."""
    web = served_shop[1]
    web.asked.clear()
    web.busiest = 0
    web.two_at_once.clear()
    web.pace.clear()
    return served_shop


@pytest.fixture(scope="module")
def local_store(served_shop: tuple[Path, Web], mixed_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the version that one machine builds of the shop."""
    store, web = tmp_path_factory.mktemp("local") / "store", served_shop[1]
    web.two_at_once.set()  # a single client need not wait for another one
    web.pace.set()
    build_version(request_of(mixed_bundle, served_shop[0], store))
    return store


def request_of(bundle: Path, catalog: Path, store: Path, **options: Any) -> BuildRequest:
    encoding = EncodingOptions(ALLOWED, shard_rows=SHARD_ROWS, **options)
    return BuildRequest(bundle, catalog, store, "v", IndexRequest("Flat"), encoding, True)


def check_equal(one: Path, other: Path) -> None:
    """That two stores have the same vectors under the same keys, the same ledger, and find the same products."""
    assert pool_of(one) == pool_of(other)
    ledgers = [version_failures(Store(store), "v") for store in (one, other)]
    same_time = ledgers[0][0].tried_at
    reported = [[replace(failure, tried_at=same_time) for failure in ledger] for ledger in ledgers]
    assert reported[0] == reported[1]
    assert [failure.reason for failure in reported[0]] == ["status-404", "missing", "unreadable", "outside"]
    for name in (INDEX_FILE, KEYS_FILE, TOWER_VECTORS_FILE):  # flat, so that equal vectors give equal bytes
        first, second = ((store / "versions" / "v" / name).read_bytes() for store in (one, other))
        assert first == second, name
    assert verify_version(Store(other), "v").canary_overlap == 1


def pool_of(store: Path) -> dict[bytes, tuple[bytes, str, int]]:
    """Vector, outcome and attempts by key."""
    found = {}
    for path in store.rglob("*.shard"):
        shard = read_shard(path, 40)
        assert shard is not None
        photos = shard.photos.to_pylist()
        for key, vector, photo in zip(shard.keys, shard.vectors, photos, strict=True):
            found[key.tobytes()] = (vector.tobytes(), photo["outcome"], photo["attempts"])
    assert len(found) == 300
    return found


@pytest.mark.integration
def test_two_nodes_make_what_one_machine_makes(
    cluster: Any, second_node: Any, local_store: Path, shop: tuple[Path, Web], mixed_bundle: Path, tmp_path: Path
) -> None:
    store = tmp_path / "ray"
    options = ["--bundle", str(mixed_bundle), "--catalog", str(shop[0]), "--store", str(store), "--version", "v"]
    options += ["--explain", "--index", "Flat", "--shard-rows", str(SHARD_ROWS), "--allow-private-addresses"]
    options += ["--download-concurrency", "1", "--download-timeout", "200"]
    options += ["--engine", "ray", "--ray-address", cluster.address, "--ray-threads", "1"]
    result = CliRunner().invoke(app, ["build", *options])
    assert result.exit_code == 0, result.output
    assert "encoding with Ray: actors 2, CPU threads each 1, nodes 2" in result.stderr.splitlines()
    assert "300 of 300 products encoded" in result.stdout
    assert shop[1].busiest == 2  # an actor on each node was at work
    check_equal(local_store, store)


@pytest.mark.integration
@pytest.mark.timeout(1200)  # on a busy machine Ray takes minutes to notice that the node is lost
def test_a_node_killed_midway_changes_nothing(
    cluster: Any, second_node: Any, local_store: Path, shop: tuple[Path, Web], mixed_bundle: Path, tmp_path: Path
) -> None:
    written: list[int] = []

    def kill() -> None:
        wait_until(lambda: shop[1].busiest == 2 and list((tmp_path / "ray").rglob("*.shard")), "no shard", 200)
        cluster.remove_node(second_node, allow_graceful=False)
        written.append(len(list((tmp_path / "ray").rglob("*.shard"))))

    killer = threading.Thread(target=kill)
    killer.start()
    reported: list[str] = []
    store, engine = tmp_path / "ray", RayEngine(cluster.address, 1, reported.append)
    build_version(request_of(mixed_bundle, shop[0], store, engine=engine), reported.append)
    killer.join(200)
    assert not killer.is_alive(), "the second node was not killed within 200 s"
    assert "encoding with Ray: actors 2, CPU threads each 1, nodes 2" in reported
    assert 1 <= written[0] < 25  # it was midway
    assert shop[1].asked.total() > 300 - 6  # photos: tasks lost with the node were done again
    check_equal(local_store, store)
    assert not list(store.rglob(".*.tries"))


@pytest.fixture
def running_at_shutdown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Threads of Ray Data that ran when Ray was shut down, where each takes longer to end than it is waited for."""
    import ray
    from ray.data._internal.execution.streaming_executor import StreamingExecutor

    step, shutdown = StreamingExecutor._scheduling_loop_step, ray.shutdown
    found: list[str] = []

    def slow_step(executor: Any, topology: Any) -> bool:
        time.sleep(3)
        return bool(step(executor, topology))

    def noting_shutdown() -> None:
        names = [thread.name for thread in threading.enumerate()]
        found.extend(name for name in names if name.startswith(("StreamingExecutor", "iter_", "ray-data")))
        shutdown()

    monkeypatch.setattr(StreamingExecutor, "_scheduling_loop_step", slow_step)
    monkeypatch.setattr(ray, "shutdown", noting_shutdown)
    return found


@pytest.mark.integration
def test_a_fault_of_a_node_is_one_sentence_and_no_traceback(
    cluster: Any, job: EncodingJob, running_at_shutdown: list[str]
) -> None:
    """And no thread of Ray Data asks Ray for something after its shutdown, for which Ray ends the whole process."""
    engine = RayEngine(cluster.address, 1)
    with pytest.raises(BuildError) as caught:
        engine(job, [0, 1, 2], lambda products: None)
    expected = f": {job.bundle} is not there; bundle, photos and store must be on a file system that all nodes see"
    assert str(caught.value).startswith("node ") and str(caught.value).endswith(expected)
    assert np.equal(job.plan.unfinished, [0, 1, 2]).all()
    assert os.listdir(job.plan.path.parent) == ["x.plan"]
    assert running_at_shutdown == []
