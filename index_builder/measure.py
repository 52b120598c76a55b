"""How well an index answers: real queries, the exact answers, and the operating point they lead to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from artifacts.bundle import ModelBundle
from artifacts.canaries import CANARY_DEPTH
from artifacts.catalog import Catalog
from artifacts.index_version import Canary, IndexDescription, MeasuredPoint
from index_builder.canaries import choose_canaries
from index_builder.errors import BuildError
from index_builder.threads import core_count
from knn import Neighbours, Tuning, VectorIndex, exact_search, set_threads, tune_operating_point
from towers.query_encoder import QueryEncoder, Vectors

MEASURED_QUERIES = 1000  # mean recall over these is known to about half a percent
RECALL_DEPTH = 100  # as many products as a search returns
_QUERIES_PER_BATCH = 64


@dataclass(frozen=True)
class QuerySample:
    """Queries to measure with.

    Attributes:
        texts: distinct and not empty.
        held_out: whether they are real queries that training never saw; otherwise they are product titles.
    """

    texts: tuple[str, ...]
    held_out: bool


@dataclass(frozen=True, eq=False)
class Measurement:
    """An index measured against exact search.

    Attributes:
        tuning: the curve and the point chosen from it.
        canaries: queries by which the version is checked when it is loaded.
        queries: what was measured with.
    """

    tuning: Tuning
    canaries: tuple[Canary, ...]
    queries: QuerySample


def sample_queries(bundle: ModelBundle, catalog: Catalog, seed: int) -> QuerySample:
    """Up to MEASURED_QUERIES of the bundle's held-out queries; titles where it was fitted without a log.

    Raises:
        BuildError: the bundle has no queries and the catalogue no titles.
    """
    rng = np.random.default_rng(seed)
    held_out = [query for query in dict.fromkeys(bundle.held_out_queries()) if query.strip()]
    if held_out:
        return QuerySample(_sample(held_out, rng), held_out=True)
    titles = [title for title in dict.fromkeys(catalog.titles) if title.strip()]
    if not titles:
        raise BuildError(f"{bundle.path} has no held-out queries and {catalog.path} no titles: nothing to measure with")
    return QuerySample(_sample(titles, rng), held_out=False)


def encode_queries(encoder: QueryEncoder, queries: Sequence[str]) -> Vectors:
    """Unit vectors of queries in batches of moderate memory. Shape (n, D), float32."""
    batches = range(0, len(queries), _QUERIES_PER_BATCH)
    return np.concatenate([encoder.encode(queries[start : start + _QUERIES_PER_BATCH]) for start in batches])


def measure(
    index: VectorIndex,
    embedded: Vectors,
    catalog: Catalog,
    queries: QuerySample,
    encoder: QueryEncoder,
    target_recall: float,
) -> Measurement:
    """Measure an index over its curve and choose the cheapest operating point that reaches the target.

    Latencies are those of one thread. Recall is taken at 100, or at the count of a smaller catalogue.

    Args:
        index: over all vectors.
        embedded: (count, D) the vectors themselves; may be memory-mapped.
        catalog: the products, row by row those of the vectors.
        queries: what to measure with.
        encoder: the one that will serve.
        target_recall: tie-tolerant recall to reach, above 0 and at most 1.
    """
    vectors, count = encode_queries(encoder, queries.texts), len(embedded)
    k = min(RECALL_DEPTH, count)
    exact = exact_search(embedded, vectors, min(k + k // 2 + 1, count))  # beyond k: to know ties
    set_threads(1)
    try:
        tuning = tune_operating_point(index, vectors, exact, target_recall, k)
    finally:
        set_threads(core_count())
    canaries = _canaries(index, tuning, vectors, exact, queries, catalog)
    return Measurement(tuning, canaries, queries)


def describe_index(factory: str, measurement: Measurement) -> IndexDescription:
    """The manifest's record of an index and its curve."""
    tuning = measurement.tuning
    return IndexDescription(
        factory=factory,
        nprobe=tuning.operating_point.nprobe,
        k_factor=tuning.operating_point.k_factor,
        target_recall=tuning.target_recall,
        recall_at_100=tuning.chosen.recall.tie_tolerant,
        reached_target=tuning.reached_target,
        measured_queries=len(measurement.queries.texts),
        measured_with="held-out queries" if measurement.queries.held_out else "titles",
        curve=tuple(
            MeasuredPoint(
                nprobe=point.operating_point.nprobe,
                k_factor=point.operating_point.k_factor,
                recall_at_100=point.recall.tie_tolerant,
                strict_recall_at_100=point.recall.strict,
                ms_per_query=point.latency_ms,
            )
            for point in tuning.curve
        ),
    )


def _canaries(
    index: VectorIndex,
    tuning: Tuning,
    vectors: Vectors,
    exact: Neighbours,
    queries: QuerySample,
    catalog: Catalog,
) -> tuple[Canary, ...]:
    found = index.search(vectors, min(CANARY_DEPTH, index.count), tuning.operating_point)
    return choose_canaries(queries.texts, exact, found, catalog.table["product_id"])


def _sample(texts: Sequence[str], rng: np.random.Generator) -> tuple[str, ...]:
    if len(texts) <= MEASURED_QUERIES:
        return tuple(texts)
    return tuple(texts[i] for i in sorted(rng.choice(len(texts), MEASURED_QUERIES, replace=False).tolist()))
