"""The measurements of bench-service. Each one starts the services that it compares, and stops them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from artifacts.index_version import PRODUCTS_FILE
from benchmarks.common.measured_process import run_part
from benchmarks.service.load import Requests, run_load
from benchmarks.service.memory import Swapped, swap_often
from benchmarks.service.recall import Recalled
from benchmarks.service.servers import ADMIN_TOKEN, Server, our_server, started
from benchmarks.service.setup import Setup
from benchmarks.service.stages import Stages, hit_share, read_counts, stages_between
from benchmarks.service.steady import SwapsUnderLoad
from benchmarks.service.turns import BARE, BY_HAND, OURS, TXTAI, Measured, Turn, common_share, keep_answer, take_turns

MANY, ONE = 32, 1  # numbers of connections
SWAP_LOAD = 0.3  # requests per second sent during swaps, as a share of what the service can answer
STEADY_S = 10
CACHES_MB = (64, 1000)  # the service's default, and one that holds the answers to all repeated queries
_NO_CACHE = {"cache_mb": 0}
_COMPARED = 20  # number of queries used to check that all services find the same products


@dataclass(frozen=True)
class Against:
    """Vitrine beside the bare endpoint, which answers with the stored bytes of an answer of Vitrine."""

    ours: Measured
    bare: Measured

    @property
    def share(self) -> float:
        """Vitrine's requests per second as a share of the bare endpoint's."""
        return self.ours.per_s / self.bare.per_s


@dataclass(frozen=True)
class Whole:
    """Measurements of the service with all products.

    Attributes:
        against: Beside the bare endpoint, at MANY connections.
        alone: Load of one connection.
        recalled: Recall over HTTP.
        stages: Time of a search by stage, at one connection and at MANY.
        swaps: Latencies, gaps and lost requests during swaps.
        swap_per_s: Requests per second that were sent during the swaps.
    """

    against: Against
    alone: Measured
    recalled: Recalled
    stages: tuple[Stages, Stages]
    swaps: SwapsUnderLoad
    swap_per_s: float


@dataclass(frozen=True)
class Cached:
    """Measurements of the service with its answer cache on.

    Attributes:
        cache_mb: Size of the cache.
        against: Beside the bare endpoint, under queries that repeat.
        hit_share: Share of the queries that the cache answered, from 0 to 1.
    """

    cache_mb: int
    against: Against
    hit_share: float


@dataclass(frozen=True)
class Others:
    """Measurements of Vitrine, the service written by hand, and txtai with the same products.

    Attributes:
        measured: The load on each service, by its name.
        common: For each other service, the share of the products that it finds which Vitrine finds too.
    """

    measured: dict[str, Measured]
    common: dict[str, float]


def measure_all_products(setup: Setup, version: str, copy: str, swaps: int) -> Whole:
    """Measure recall, throughput and latency, the time of each stage of a search, and swaps, with all products."""
    with _ours_and_bare(setup, version, "whole", 0) as (ours, bare):
        options = ["--url", ours.url, "--store", setup.store.path, "--version", version, "--vectors", setup.vectors]
        recalled, _ = run_part("service.recall", [*options, "--bundle", setup.bundle], Recalled)
        turns = [*_turns(ours, bare, setup.posts), Turn(OURS, ours, setup.posts, ONE)]
        measured = take_turns(turns, setup.rounds, setup.seconds)
        stages = (_stages(setup, ours, ONE), _stages(setup, ours, MANY))
        per_s = SWAP_LOAD * measured[1].per_s
        swapped = _swap(setup, ours, [copy, version], swaps, per_s)
    return Whole(Against(measured[1], measured[0]), measured[2], recalled, stages, swapped, per_s)


def measure_with_cache(setup: Setup, version: str, cache_mb: int) -> Cached:
    """Measure the load of repeated queries, after the first of them have filled the cache."""
    with _ours_and_bare(setup, version, f"cache-{cache_mb}", cache_mb) as (ours, bare):
        filling = run_load(ours.url, setup.repeated_posts, connections=MANY, seconds=setup.rounds * setup.seconds)
        before = read_counts(ours.url)
        measured = take_turns(_turns(ours, bare, setup.repeated_posts, filling.requests), setup.rounds, setup.seconds)
        return Cached(cache_mb, Against(measured[1], measured[0]), hit_share(before, read_counts(ours.url)))


def measure_against_bare(setup: Setup, version: str) -> Against:
    """Measure a version beside the bare endpoint."""
    with _ours_and_bare(setup, version, "plain", 0) as (ours, bare):
        measured = take_turns(_turns(ours, bare, setup.posts), setup.rounds, setup.seconds)
    return Against(measured[1], measured[0])


def measure_against_others(setup: Setup, version: str) -> Others:
    """Measure a version beside the service written by hand and txtai, with the same products."""
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


def measure_memory(setup: Setup, version: str, copy: str, swaps: int) -> Swapped:
    """Measure memory over many swaps between a version and its copy."""
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
    """Give both the same load. The bare endpoint has no cache, so requests to it may repeat."""
    return [Turn(BARE, bare, replace(requests, distinct=False), MANY), Turn(OURS, ours, requests, MANY, first)]


def _started(running: ExitStack, program: Sequence[object], log: Path) -> Server:
    return running.enter_context(started(program, "/openapi.json", log))


def _stages(setup: Setup, ours: Server, connections: int) -> Stages:
    before = read_counts(ours.url)
    load = run_load(ours.url, setup.posts, connections=connections, seconds=setup.seconds)
    return stages_between(before, read_counts(ours.url), load, connections)


def _swap(setup: Setup, ours: Server, versions: Sequence[str], swaps: int, per_s: float) -> SwapsUnderLoad:
    os.environ["BENCH_SERVICE_TOKEN"] = ADMIN_TOKEN  # passed as a variable because the command line is printed
    options: list[object] = ["--url", ours.url, "--requests", setup.posts.path, "--per-s", per_s, "--swaps", swaps]
    named = [word for version in versions for word in ("--version", version)]
    return run_part("service.steady", [*options, "--steady-s", STEADY_S, *named], SwapsUnderLoad)[0]


def _log(setup: Setup, name: str) -> Path:
    return setup.work / f"{name.replace(' ', '-')}.log"


def steady_p99(swaps: SwapsUnderLoad) -> float:
    """Return the 99th percentile of the latency without a swap, in ms."""
    return float(np.percentile(swaps.steady.latency_ms, 99))


def swap_p99(swaps: SwapsUnderLoad) -> tuple[float, ...]:
    """Return the 99th percentile of the latency during each swap, in ms."""
    return tuple(float(np.percentile(phase.latency_ms, 99)) for phase in swaps.swaps)
