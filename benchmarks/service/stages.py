"""Time of a search by stage, from the service's own histograms and its processor time, as a table."""

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
    """Metrics of the service, summed since its start.

    Attributes:
        seconds: total time of all searches, by stage.
        searches: number of searches, by stage.
        batches: number of batches that were searched.
        processor_s: processor time of the HTTP process and of the search process.
        hits: number of cache hits.
        misses: number of cache misses.
    """

    seconds: Mapping[str, float]
    searches: Mapping[str, float]
    batches: float
    processor_s: float
    hits: float
    misses: float


@dataclass(frozen=True)
class Stages:
    """Mean time of a search by stage under a load.

    Attributes:
        connections: number of connections of the load.
        latency_ms: mean latency measured by the client.
        stage_ms: mean time of each stage; encode and search count the whole batch that a search was part of.
        total_ms: mean time from the parsed request to the rendered answer.
        batch: mean batch size.
        processor_ms: processor time of the service's processes per request.
    """

    connections: int
    latency_ms: float
    stage_ms: Mapping[str, float]
    total_ms: float
    batch: float
    processor_ms: float


def read_counts(url: str) -> Counts:
    """Read the metrics of a running service."""
    return counts_of(httpx.get(f"{url}/metrics", timeout=10).raise_for_status().text)


def counts_of(text: str) -> Counts:
    """Parse the answer to GET /metrics."""
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
    """Return the mean times of the searches between two readings of the metrics.

    Args:
        before: metrics before the load.
        after: metrics after the load.
        load: measurements of wrk; the metrics also count its warm-up, which is the same kind of load.
        connections: number of connections of the load.
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
    """Return the share of queries that the cache answered, from 0 to 1."""
    hits, misses = after.hits - before.hits, after.misses - before.misses
    return hits / (hits + misses)


def stage_table(columns: Sequence[Stages]) -> str:
    """Return a table with one row per stage and two columns per load: mean time in ms, and its share of the latency."""
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
