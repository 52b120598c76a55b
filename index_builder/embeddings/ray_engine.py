"""Encodes the tasks of a plan on a Ray cluster: the same function on many machines writes the same shards.

Ray must be installed to use this module, not to import it. Every node must have Vitrine installed, and see bundle,
photos and store under the same paths.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from index_builder.core.errors import BuildError, OptionError
from index_builder.core.progress import ProgressReporter
from index_builder.embeddings.job import Advance, EncodingJob
from index_builder.embeddings.plan import Plan
from index_builder.embeddings.ray_actor import Encoder

MAX_THREADS = 8  # of an actor by default: more make one batch hardly faster
_MAX_TASKS_PER_CALL = 8  # photos are decoded ahead only within the tasks of one call
_CALLS_PER_ACTOR = 4  # at least, so that all actors end at about the same time
_SHARDS_TIMEOUT_S = 60.0  # network file systems show new files late
_CONNECT_TIMEOUT_S = 10.0  # Ray itself would try for minutes
_THREADS_TIMEOUT_S = 60.0  # Ray Data itself waits two seconds for its threads
_THREADS_OF_RAY_DATA = ("StreamingExecutor", "iter_threaded", "ray-data-metadata")  # beginnings of names
_CONTINUE = "the same command continues where it stopped"


@dataclass(frozen=True)
class RayEngine:
    """Encodes the tasks of a plan on a Ray cluster.

    Attributes:
        address: HOST:PORT of the cluster; None for the cluster that this machine is part of or, where there is none,
            one on this machine alone.
        threads: CPU threads of each actor; None for a share of its node, see `actor_layout`.
        report: receives a line on the actors that encode.

    Raises:
        OptionError: Ray is not installed, no cluster answers at the address, or `threads` is out of range.
    """

    address: str | None = None
    threads: int | None = None
    report: ProgressReporter = lambda line: None

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise OptionError(f"ray threads: expected at least 1, got {self.threads}")
        try:
            import ray.data  # noqa: F401
        except ImportError as error:
            raise OptionError(
                f"the engine 'ray' needs Ray Data ({error}); install it with: pip install 'vitrine[ray]'"
            ) from error
        if self.address is not None:
            _check_cluster_answers(self.address)

    def __call__(self, job: EncodingJob, tasks: Sequence[int], advance: Advance) -> None:
        """Encode tasks, in any order.

        Raises:
            BuildError: no cluster answers, a node does not see a path of the job, or tasks are left.
        """
        from ray.exceptions import RayError

        job = _absolute(job)
        written: dict[int, str] = {}
        with _connected(self.address) as nodes:
            layout = actor_layout(nodes, self.threads)
            self.report(f"encoding with {layout.description}")
            try:
                with closing(_results(job, tasks, layout)) as rows:
                    for row in rows:
                        if row["fault"]:
                            raise BuildError(f"node {row['node']}: {row['fault']}")
                        if row["task"] not in written:  # a task of a lost node may be reported twice
                            advance(job.plan.rows_of(row["task"]))
                        written[row["task"]] = row["node"]
            except RayError as error:
                reason = str(error).strip().splitlines()[-1]
                raise BuildError(f"the Ray cluster gave up: {reason}; {_CONTINUE}") from error
        _check_all_written(job.plan, written)


@dataclass(frozen=True)
class ActorLayout:
    """The actors that encode, and their resources.

    Attributes:
        actors: number of actors.
        threads: CPU threads of each actor.
        on_gpus: whether each actor has a GPU.
        nodes: number of nodes that have actors.
    """

    actors: int
    threads: int
    on_gpus: bool
    nodes: int

    @property
    def description(self) -> str:
        """The layout in words."""
        gpus = ", a GPU each" if self.on_gpus else ""
        return f"Ray: actors {self.actors}, CPU threads each {self.threads}{gpus}, nodes {self.nodes}"


def actor_layout(nodes: Sequence[Mapping[str, float]], threads: int | None) -> ActorLayout:
    """Return one actor a GPU where any node has one; otherwise as many actors as the CPUs have threads for.

    Args:
        nodes: resources of each node, as Ray names them.
        threads: CPU threads of each actor. By default those of the node with the fewest, divided by its GPUs where it
            has some, otherwise at most MAX_THREADS.

    Raises:
        OptionError: no node can hold an actor.
    """
    on_gpus = [node for node in nodes if node.get("GPU", 0) >= 1]
    if on_gpus:
        share = min(int(node.get("CPU", 0) // node["GPU"]) for node in on_gpus)
        actors = [int(node["GPU"]) for node in on_gpus]
        return ActorLayout(sum(actors), threads or max(share, 1), True, len(actors))
    cpus = [int(node.get("CPU", 0)) for node in nodes if node.get("CPU", 0) >= 1]
    threads = threads or min([MAX_THREADS, *cpus])
    actors = [count // threads for count in cpus if count >= threads]
    if not actors:
        raise OptionError(f"ray threads: no node of the cluster has {threads} CPUs; the largest has {max([0, *cpus])}")
    return ActorLayout(sum(actors), threads, False, len(actors))


def _check_cluster_answers(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise OptionError(f"ray address: expected HOST:PORT, got {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise OptionError(f"ray address: no cluster answers at {address}: {error}") from error


def _absolute(job: EncodingJob) -> EncodingJob:
    """Return the job with absolute paths, which hold in every working folder."""
    plan = replace(job.plan, path=job.plan.path.absolute())
    return replace(job, bundle=job.bundle.absolute(), photos=job.photos.absolute(), plan=plan)


@contextmanager
def _connected(address: str | None) -> Iterator[list[Mapping[str, float]]]:
    """Connect to a cluster; yield the resources of its nodes.

    Raises:
        BuildError: no cluster answers.
    """
    import ray

    _quiet_ray()
    try:
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise BuildError(f"no connection to a Ray cluster at {address or 'this machine'}: {error}") from error
    try:
        nodes = ray.nodes()  # type: ignore[no-untyped-call]
        yield [node["Resources"] for node in nodes if node["Alive"]]
    finally:
        _wait_for_threads()
        ray.shutdown()


def _wait_for_threads() -> None:
    """Wait for the threads of Ray Data: Ray ends this process silently if one of them calls it after its shutdown."""
    deadline_s = time.monotonic() + _THREADS_TIMEOUT_S
    for thread in threading.enumerate():
        if thread.name.startswith(_THREADS_OF_RAY_DATA):
            thread.join(max(0.0, deadline_s - time.monotonic()))


def _quiet_ray() -> None:
    """Keep Ray's notes on its progress bars and stored arguments from standard error."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)


def _results(job: EncodingJob, tasks: Sequence[int], layout: ActorLayout) -> Generator[dict[str, Any]]:
    """Yield the results of the actors, row by row.

    The number of actors may shrink to one, because idle actors must make room at the end: an actor of a lost node is
    started again where there is room, with the tasks that it had.
    """
    from ray.data import ActorPoolStrategy, DataContext, from_items

    calls = _calls(tasks, layout.actors)
    context = DataContext.get_current().copy()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.target_max_block_size = 1  # a result is passed on at once
    context.max_errored_blocks = -1  # one failing task stops no other
    actors = ActorPoolStrategy(min_size=1, initial_size=min(layout.actors, len(calls)))
    with DataContext.current(context):
        dataset = from_items([{"tasks": call} for call in calls], override_num_blocks=len(calls))
        done = dataset.map_batches(
            Encoder,
            batch_size=1,
            compute=actors,
            fn_constructor_args=(job, layout.threads),
            num_cpus=None if layout.on_gpus else layout.threads,
            num_gpus=1 if layout.on_gpus else None,
        )
        yield from done.iter_rows()


def _calls(tasks: Sequence[int], actors: int) -> list[list[int]]:
    """Split the tasks into the calls of actors."""
    size = min(_MAX_TASKS_PER_CALL, max(1, len(tasks) // (actors * _CALLS_PER_ACTOR)))
    return [list(tasks[start : start + size]) for start in range(0, len(tasks), size)]


def _check_all_written(plan: Plan, written: Mapping[int, str]) -> None:
    """Check that this machine sees all shards.

    Raises:
        BuildError: it does not see all.
    """
    deadline_s = time.monotonic() + _SHARDS_TIMEOUT_S
    while (unseen := _unfinished(plan)) and set(unseen) <= set(written) and time.monotonic() < deadline_s:
        time.sleep(1)
    if not unseen:
        return
    elsewhere = [task for task in unseen if task in written]
    if elsewhere:
        path, node = plan.shard_path(elsewhere[0]), written[elsewhere[0]]
        raise BuildError(
            f"{path}, which node {node} wrote, is not seen here: the store must be on a file system that all nodes see"
        )
    raise BuildError(
        f"{len(unseen):,} of {len(plan.tasks):,} tasks are left, which the Ray cluster could not do; {_CONTINUE}"
    )


def _unfinished(plan: Plan) -> list[int]:
    """Return tasks whose shard is not in a fresh listing; a network file system may cache that a file is missing."""
    names = {entry.name for entry in os.scandir(plan.path.parent)}
    return [task for task in plan.tasks if plan.shard_path(task).name not in names]
