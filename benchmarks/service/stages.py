"""Where the time of a search goes, from the service's own histograms and its processor time, as a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.common.harness import table
from benchmarks.service.load import Load

STAGES = ("queue", "encode", "search", "render")
_TOTAL = "total"
_PROCESSES = ("process", "vitrine_search_process")


@dataclass(frozen=True)
class Counts:
    """What the service has counted since its start.

    Attributes:
        seconds: of all searches together, by stage.
        searches: as many, by stage.
        batches: that were searched.
        processor_s: of its processes, of which one searches the served version.
        hits: of the cache.
        misses: of the cache.
    """

    seconds: Mapping[str, float]
    searches: Mapping[str, float]
    batches: float
    processor_s: float
    hits: float
    misses: float


@dataclass(frozen=True)
class Stages:
    """Where the time of a search went while it was loaded.

    Attributes:
        connections: of the load.
        latency_ms: as the client saw it, on average.
        stage_ms: of the searches, on average; encode and search are those of a search's whole batch.
        total_ms: from the parsed request to the rendered answer, on average.
        batch: searches answered together, on average.
        processor_ms: that the service's processes took for a request.
    """

    connections: int
    latency_ms: float
    stage_ms: Mapping[str, float]
    total_ms: float
    batch: float
    processor_ms: float


def read_counts(url: str) -> Counts:
    """The counters of a running service."""
    return counts_of(httpx.get(f"{url}/metrics", timeout=10).raise_for_status().text)


def counts_of(text: str) -> Counts:
    """The counters in what GET /metrics answers."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def by_label(name: str, label: str) -> dict[str, float]:
        return {sample.labels[label]: sample.value for sample in samples if sample.name == name}

    single = {sample.name: sample.value for sample in samples if not sample.labels}
    lookups = by_label("vitrine_cache_lookups_total", "outcome")
    return Counts(
        seconds=by_label("vitrine_search_seconds_sum", "stage"),
        searches=by_label("vitrine_search_seconds_count", "stage"),
        batches=single["vitrine_batch_size_count"],
        processor_s=sum(single.get(f"{name}_cpu_seconds_total", 0.0) for name in _PROCESSES),
        hits=lookups.get("hit", 0.0),
        misses=lookups.get("miss", 0.0),
    )


def stages_between(before: Counts, after: Counts, load: Load, connections: int) -> Stages:
    """What a load took, stage by stage.

    Args:
        before: counted before the load.
        after: counted after it.
        load: what wrk measured; its warm-up was counted too, and is like it.
        connections: of the load.
    """

    def mean_ms(stage: str) -> float:
        return 1000 * (after.seconds[stage] - before.seconds[stage]) / (after.searches[stage] - before.searches[stage])

    answered = after.searches[_TOTAL] - before.searches[_TOTAL]
    return Stages(
        connections=connections,
        latency_ms=load.mean_ms,
        stage_ms={stage: mean_ms(stage) for stage in STAGES},
        total_ms=mean_ms(_TOTAL),
        batch=answered / (after.batches - before.batches),
        processor_ms=1000 * (after.processor_s - before.processor_s) / answered,
    )


def hit_share(before: Counts, after: Counts) -> float:
    """The share of queries that the cache answered."""
    hits, misses = after.hits - before.hits, after.misses - before.misses
    return hits / (hits + misses)


def stage_table(columns: Sequence[Stages]) -> str:
    """A row a stage, two columns a load: milliseconds, and their share of what the client saw."""
    header = ["stage"]
    for stages in columns:
        header += [f"{stages.connections} at once, ms", "share"]
    rows = [_row(label, columns, of) for label, of in _ROWS.items()]
    together = ["searches answered together", *(cell for one in columns for cell in (f"{one.batch:.1f}", ""))]
    return table(header, [*rows, together])


def _row(label: str, columns: Sequence[Stages], of: Callable[[Stages], float]) -> list[str]:
    cells = [label]
    for stages in columns:
        cells += [f"{of(stages):.3f}", f"{100 * of(stages) / stages.latency_ms:.0f}%"]
    return cells


_ROWS: dict[str, Callable[[Stages], float]] = {
    "waiting for the batch before": lambda one: one.stage_ms["queue"],
    "encoding the batch's queries": lambda one: one.stage_ms["encode"],
    "searching the batch": lambda one: one.stage_ms["search"],
    "waiting for the event loop": lambda one: one.total_ms - sum(one.stage_ms.values()),
    "rendering the hits": lambda one: one.stage_ms["render"],
    "parsing, sending, and the client": lambda one: one.latency_ms - one.total_ms,
    "together, as the client sees it": lambda one: one.latency_ms,
    "processor time of a request": lambda one: one.processor_ms,
}
