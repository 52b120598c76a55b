"""What bench-service measures, scene by scene; each starts the services that it compares and stops them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from artifacts.index_version import PRODUCTS_FILE
from artifacts.store import Store
from benchmarks.common.measured_process import run_part
from benchmarks.service.load import Requests, run_load
from benchmarks.service.memory import Swapped, swap_often
from benchmarks.service.recall import Recalled
from benchmarks.service.servers import ADMIN_TOKEN, Server, our_server, started
from benchmarks.service.stages import Stages, hit_share, read_counts, stages_between
from benchmarks.service.steady import SwapsUnderLoad
from benchmarks.service.turns import BARE, BY_HAND, OURS, TXTAI, Measured, Turn, common_share, keep_answer, take_turns

MANY, ONE = 32, 1  # connections
SWAP_LOAD = 0.3  # of the requests a second that the service can answer: what is sent while it swaps
STEADY_S = 10
CACHES_MB = (64, 1000)  # the service's default, and one that holds all answers of the stream
_NO_CACHE = {"cache_mb": 0}
_COMPARED = 20  # queries by which it is checked that services find the same


@dataclass(frozen=True)
class Setup:
    """What all scenes share.

    Attributes:
        bundle: the model.
        vectors: the real set.
        store: of the versions.
        work: scratch folder, for logs too.
        texts: different queries.
        posts: requests for them.
        gets: the same, as txtai is asked.
        stream: requests for queries that repeat.
        rounds: of every load.
        seconds: of one.
    """

    bundle: Path
    vectors: Path
    store: Store
    work: Path
    texts: Sequence[str]
    posts: Requests
    gets: Requests
    stream: Requests
    rounds: int
    seconds: int


@dataclass(frozen=True)
class Against:
    """The service and the bare endpoint that answers with its bytes."""

    ours: Measured
    bare: Measured

    @property
    def share(self) -> float:
        """Requests a second, of the bare endpoint's."""
        return self.ours.per_s / self.bare.per_s


@dataclass(frozen=True)
class Whole:
    """The service over all products.

    Attributes:
        against: at MANY connections.
        alone: at one connection.
        recalled: over HTTP.
        stages: at one connection and at MANY.
        swaps: what clients noticed of swaps.
        swap_per_s: requests a second meanwhile.
    """

    against: Against
    alone: Measured
    recalled: Recalled
    stages: tuple[Stages, Stages]
    swaps: SwapsUnderLoad
    swap_per_s: float


@dataclass(frozen=True)
class Cached:
    """The service with its cache on.

    Attributes:
        cache_mb: its size.
        against: under the stream of queries that repeat.
        hit_share: of the queries, those that the cache answered.
    """

    cache_mb: int
    against: Against
    hit_share: float


@dataclass(frozen=True)
class Others:
    """The service, the one that is written by hand, and txtai over the same products.

    Attributes:
        measured: by name of the service.
        common: of the products that each other one finds, the share that ours finds too.
    """

    measured: dict[str, Measured]
    common: dict[str, float]


def whole_scene(setup: Setup, version: str, copy: str, swaps: int) -> Whole:
    """All products: recall, loads, where the time goes, swaps."""
    with _ours_and_bare(setup, version, "whole", 0) as (ours, bare):
        options = ["--url", ours.url, "--store", setup.store.path, "--version", version, "--vectors", setup.vectors]
        recalled, _ = run_part("service.recall", [*options, "--bundle", setup.bundle], Recalled)
        turns = [*_turns(ours, bare, setup.posts), Turn(OURS, ours, setup.posts, ONE)]
        measured = take_turns(turns, setup.rounds, setup.seconds)
        stages = (_stages(setup, ours, ONE), _stages(setup, ours, MANY))
        per_s = SWAP_LOAD * measured[1].per_s
        swapped = _swap(setup, ours, [copy, version], swaps, per_s)
    return Whole(Against(measured[1], measured[0]), measured[2], recalled, stages, swapped, per_s)


def cached_scene(setup: Setup, version: str, cache_mb: int) -> Cached:
    """Queries that repeat, after the cache has been filled with the first of them."""
    with _ours_and_bare(setup, version, f"cache-{cache_mb}", cache_mb) as (ours, bare):
        filling = run_load(ours.url, setup.stream, connections=MANY, seconds=setup.rounds * setup.seconds)
        before = read_counts(ours.url)
        measured = take_turns(_turns(ours, bare, setup.stream, filling.requests), setup.rounds, setup.seconds)
        return Cached(cache_mb, Against(measured[1], measured[0]), hit_share(before, read_counts(ours.url)))


def plain_scene(setup: Setup, version: str) -> Against:
    """A version against the bare endpoint."""
    with _ours_and_bare(setup, version, "plain", 0) as (ours, bare):
        measured = take_turns(_turns(ours, bare, setup.posts), setup.rounds, setup.seconds)
    return Against(measured[1], measured[0])


def others_scene(setup: Setup, version: str) -> Others:
    """A version against the same products in the service that is written by hand, and in txtai."""
    products = setup.store.version_path(version) / PRODUCTS_FILE
    given = ["--bundle", setup.bundle, "--vectors", setup.vectors, "--products", products]
    with ExitStack() as running:
        ours = running.enter_context(our_server(setup.store, version, _log(setup, "compared"), _NO_CACHE))
        by_hand = _started(running, ["benchmarks.service.by_hand", *given], _log(setup, BY_HAND))
        folder = setup.work / "txtai"
        txtai = _started(running, ["benchmarks.service.txtai_peer", *given, "--folder", folder], _log(setup, TXTAI))
        asked = setup.texts[:_COMPARED]
        common = {name: common_share(server, ours, asked) for name, server in ((BY_HAND, by_hand), (TXTAI, txtai))}
        turns = [
            Turn(OURS, ours, setup.posts, MANY),
            Turn(BY_HAND, by_hand, setup.posts, MANY),
            Turn(TXTAI, txtai, setup.gets, MANY),
        ]
        measured = take_turns(turns, setup.rounds, setup.seconds)
    return Others({each.turn.name: each for each in measured}, common)


def memory_scene(setup: Setup, version: str, copy: str, swaps: int) -> Swapped:
    """Memory over many swaps between a version and its copy."""
    with our_server(setup.store, version, _log(setup, "memory"), _NO_CACHE) as ours:
        return swap_often(ours, [copy, version], swaps, setup.texts)


@contextmanager
def _ours_and_bare(setup: Setup, version: str, name: str, cache_mb: int) -> Iterator[tuple[Server, Server]]:
    with ExitStack() as running:
        settings = {"cache_mb": cache_mb}
        ours = running.enter_context(our_server(setup.store, version, _log(setup, name), settings))
        answer = keep_answer(ours, setup.texts[0], setup.work / f"{name}.json")
        bare = _started(running, ["benchmarks.service.bare", "--answer", answer], _log(setup, f"{name}-bare"))
        yield ours, bare


def _turns(ours: Server, bare: Server, requests: Requests, first: int = 0) -> list[Turn]:
    """Under the same load; the bare endpoint does not read its requests and may see them again."""
    return [Turn(BARE, bare, replace(requests, distinct=False), MANY), Turn(OURS, ours, requests, MANY, first)]


def _started(running: ExitStack, program: Sequence[object], log: Path) -> Server:
    return running.enter_context(started(program, "/openapi.json", log))


def _stages(setup: Setup, ours: Server, connections: int) -> Stages:
    before = read_counts(ours.url)
    load = run_load(ours.url, setup.posts, connections=connections, seconds=setup.seconds)
    return stages_between(before, read_counts(ours.url), load, connections)


def _swap(setup: Setup, ours: Server, versions: Sequence[str], swaps: int, per_s: float) -> SwapsUnderLoad:
    os.environ["BENCH_SERVICE_TOKEN"] = ADMIN_TOKEN  # not on the command line, which is printed
    options: list[object] = ["--url", ours.url, "--requests", setup.posts.path, "--per-s", per_s, "--swaps", swaps]
    named = [word for version in versions for word in ("--version", version)]
    return run_part("service.steady", [*options, "--steady-s", STEADY_S, *named], SwapsUnderLoad)[0]


def _log(setup: Setup, name: str) -> Path:
    return setup.work / f"{name.replace(' ', '-')}.log"


def steady_p99(swaps: SwapsUnderLoad) -> float:
    """Milliseconds without a swap."""
    return float(np.percentile(swaps.steady.latency_ms, 99))


def swap_p99(swaps: SwapsUnderLoad) -> tuple[float, ...]:
    """Milliseconds of each swap."""
    return tuple(float(np.percentile(phase.latency_ms, 99)) for phase in swaps.swaps)
