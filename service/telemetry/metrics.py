"""The metrics that Prometheus reads, in one registry per application, so that two in one process do not mix."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

disable_created_metrics()  # type: ignore[no-untyped-call]  # would add a second series to each, which nobody reads

_STAGE_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

# Why a connection was cut: its client did not read a response in time, the unread responses of all connections took too
# much memory, or too many connections were open.
CutReason = Literal["slow_reader", "memory", "limit"]


@dataclass(frozen=True)
class StageSeconds:
    """The seconds that one search spent in each stage. All but those in the queue are those of its whole batch.

    Attributes:
        queued_at: when the search was queued, on the clock of `time.perf_counter`.
        queue: waiting in the queue.
        decode: decoding the photo of a search by photo; 0 for others.
        encode: encoding the query.
        words: correcting typing errors and searching by words; 0 for rankings by cosine.
        search: filtering and searching the index.
        render: writing the hits as JSON.
    """

    queued_at: float
    queue: float
    decode: float
    encode: float
    words: float
    search: float
    render: float


class Metrics:
    """The metrics of one service process."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self._requests = Counter(
            "vitrine_requests", "Answers by route and status", ["route", "status"], registry=registry
        )
        self._connections = Gauge("vitrine_connections", "Open connections", registry=registry)
        self._cut_connections = Counter(
            "vitrine_cut_connections", "Connections that were cut, by reason", ["reason"], registry=registry
        )
        for reason in get_args(CutReason):  # reported as 0 from the start, see `expect_changes`
            self._cut_connections.labels(reason)
        self._batch_size = Histogram(
            "vitrine_batch_size", "Searches answered together", buckets=_BATCH_SIZES, registry=registry
        )
        self._queue_depth = Gauge("vitrine_queue_depth", "Searches waiting", registry=registry)
        self._changes = Counter(
            "vitrine_version_changes", "Attempts to serve a version", ["kind", "outcome"], registry=registry
        )
        self._version = Gauge(
            "vitrine_index_version", "1 for the served version", ["version", "model"], registry=registry
        )
        self._devices = Gauge(
            "vitrine_device",
            "1 for the device of each part of the served version",
            ["part", "device"],
            registry=registry,
        )
        self._products = Gauge("vitrine_index_products", "Products of the served version", registry=registry)
        stages = Histogram(
            "vitrine_search_seconds", "Time of a search", ["stage"], buckets=_STAGE_SECONDS, registry=registry
        )
        names = ("queue", "encode", "search", "render", "total")
        self._queue_time, self._encode_time, self._search_time, self._render_time, self._total_time = map(
            stages.labels, names
        )
        self._words_time = stages.labels("words")
        photo = Histogram(
            "vitrine_photo_seconds",
            "Time of reading a photo that is a query",
            ["stage"],
            buckets=_STAGE_SECONDS,
            registry=registry,
        )
        self._photo_queue_time, self._decode_time, self._photo_encode_time = map(
            photo.labels, ("queue", "decode", "encode")
        )
        self._photo_queue_depth = Gauge("vitrine_photo_queue_depth", "Photos waiting to be read", registry=registry)
        lookups = Counter(
            "vitrine_cache_lookups", "Queries looked up among earlier answers", ["outcome"], registry=registry
        )
        self._hits, self._misses = map(lookups.labels, ("hit", "miss"))
        self._cache_bytes = Gauge("vitrine_cache_bytes", "Size of the earlier answers", registry=registry)

    def watch_connections(self, count: Callable[[], int]) -> None:
        """Report the number of open connections whenever the metrics are read."""
        self._connections.set_function(count)

    def count_cut_connection(self, reason: CutReason) -> None:
        """Count a connection that was cut."""
        self._cut_connections.labels(reason).inc()

    def watch_queue(self, depth: Callable[[], int]) -> None:
        """Report the depth of the queue of searches whenever the metrics are read."""
        self._queue_depth.set_function(depth)

    def watch_photos(self, depth: Callable[[], int]) -> None:
        """Report the depth of the queue of photos whenever the metrics are read."""
        self._photo_queue_depth.set_function(depth)

    def watch_search_process(self, pid: Callable[[], int | None]) -> None:
        """Report memory and processor time of the worker process whenever the metrics are read, while there is one."""
        ProcessCollector(namespace="vitrine_search", pid=lambda: pid() or "none", registry=self._registry)

    def watch_cache(self, size: Callable[[], int]) -> None:
        """Report the size of the answer cache whenever the metrics are read."""
        self._cache_bytes.set_function(size)

    def count_lookup(self, hit: bool) -> None:
        """Count a look-up in the answer cache."""
        (self._hits if hit else self._misses).inc()

    def count_answer(self, route: str, status: int) -> None:
        """Count an answered request."""
        self._requests.labels(route, str(status)).inc()

    def record_batch(self, size: int) -> None:
        """Record the size of a batch that was sent to a worker."""
        self._batch_size.observe(size)

    def record_stages(self, stages: StageSeconds) -> None:
        """Record the stages of a search by text or product."""
        self._queue_time.observe(stages.queue)
        self._encode_time.observe(stages.encode)
        self._search_time.observe(stages.search)
        if stages.words:
            self._words_time.observe(stages.words)
        self._render_time.observe(stages.render)

    def record_photo(self, stages: StageSeconds) -> None:
        """Record the stages of a search by photo."""
        self._photo_queue_time.observe(stages.queue)
        self._decode_time.observe(stages.decode)
        self._photo_encode_time.observe(stages.encode)
        self._search_time.observe(stages.search)
        self._render_time.observe(stages.render)

    def record_total(self, seconds: float) -> None:
        """Record how long a request for a search took in total."""
        self._total_time.observe(seconds)

    def expect_changes(self, kinds: Sequence[str], outcomes: Sequence[str]) -> None:
        """Report these counts as 0 from the start. Prometheus sees no increase in a count that first appears as 1."""
        for kind, outcome in product(kinds, outcomes):
            self._changes.labels(kind, outcome)

    def count_change(self, kind: str, outcome: str) -> None:
        """Count an attempt to serve a version: served, refused (the version is bad) or failed (a bug)."""
        self._changes.labels(kind, outcome).inc()

    def show_version(self, version_id: str, model: str, products: int) -> None:
        """Report the version that is served from now on."""
        self._version.clear()
        self._version.labels(version_id, model).set(1)
        self._products.set(products)

    def show_devices(self, encoder: str, index: str) -> None:
        """Report the devices of the version that is served from now on, such as "cpu" or "cuda:0"."""
        self._devices.clear()
        self._devices.labels("encoder", encoder).set(1)
        self._devices.labels("index", index).set(1)

    def show_no_version(self) -> None:
        """Report that no version is served, since its process was lost."""
        self._version.clear()
        self._devices.clear()
        self._products.set(0)

    def render(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return generate_latest(self._registry)
