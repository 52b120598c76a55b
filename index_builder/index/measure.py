"""Measures an index with real queries against exact search, and chooses its operating point."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from artifacts.bundle import ModelBundle
from artifacts.canaries import CANARY_DEPTH
from artifacts.catalog import Catalog
from artifacts.manifest import Canary, IndexDescription, IndexTrial, MeasuredPoint, MeasuredWith
from index_builder.core.errors import BuildError
from index_builder.index.canaries import CANARY_QUERIES, choose_canaries
from index_builder.index.few_queries import ENOUGH_QUERIES
from index_builder.index.indexing import IndexRequest
from index_builder.index.type_choice import RECALL_DEPTH, Choice, Trial, on_device
from knn import (
    Device,
    GpuVectorIndex,
    Neighbours,
    OperatingPoint,
    Tuning,
    TuningPoint,
    VectorIndex,
    make_ground_truth,
    tune_operating_point,
)
from knn.recall import TIE_SHARE, TIE_TOLERANCE
from towers.query_encoder import QueryEncoder, Vectors

MEASURED_QUERIES = 1000  # mean recall over these is known to about half a percent
_QUERIES_PER_BATCH = 64


@dataclass(frozen=True)
class QuerySample:
    """Queries to measure with.

    Attributes:
        texts: distinct queries, none of them empty.
        held_out_count: how many of them, the first ones, are real queries that training never saw; the others are
            product titles.
    """

    texts: tuple[str, ...]
    held_out_count: int


@dataclass(frozen=True, eq=False)
class Measurement:
    """The results of measuring an index against exact search.

    Attributes:
        tuning: the measured curve and the point chosen from it.
        canaries: queries by which the version is checked when it is loaded.
        queries: queries that were measured with.
        timed_on: device on which queries were timed.
    """

    tuning: Tuning
    canaries: tuple[Canary, ...]
    queries: QuerySample
    timed_on: Device


def needs_titles(bundle: ModelBundle) -> bool:
    """Return whether a model has so few held-out queries that `sample_queries` adds titles."""
    return len(_held_out(bundle)) < ENOUGH_QUERIES


def sample_queries(bundle: ModelBundle, catalog: Catalog, seed: int) -> QuerySample:
    """Draw up to MEASURED_QUERIES of the bundle's held-out queries.

    Where they are fewer than ENOUGH_QUERIES, titles are drawn until there are as many; where the bundle was fitted
    without a log, up to MEASURED_QUERIES titles.

    Raises:
        BuildError: the bundle has no queries and the catalogue no titles.
    """
    rng = np.random.default_rng(seed)
    held_out = _held_out(bundle)
    if len(held_out) >= ENOUGH_QUERIES:
        texts = _sample(held_out, MEASURED_QUERIES, rng)
        return QuerySample(texts, len(texts))
    known = set(held_out)
    titles = [title for title in dict.fromkeys(catalog.titles) if title.strip() and title not in known]
    if not held_out and not titles:
        raise BuildError(
            f"{bundle.path} has no held-out queries and {catalog.path} has no titles, so that there is nothing to "
            "measure with; fit with a query log, or add titles"
        )
    missing = ENOUGH_QUERIES - len(held_out) if held_out else MEASURED_QUERIES
    return QuerySample((*held_out, *_sample(titles, missing, rng)), len(held_out))


def encode_queries(encoder: QueryEncoder, queries: Sequence[str]) -> Vectors:
    """Return unit vectors of queries, encoded in batches of moderate memory. Shape (n, D), float32."""
    batches = range(0, len(queries), _QUERIES_PER_BATCH)
    return np.concatenate([encoder.encode(queries[start : start + _QUERIES_PER_BATCH]) for start in batches])


def measure(
    index: VectorIndex,
    embedded: Vectors,
    catalog: Catalog,
    queries: QuerySample,
    query_vectors: Vectors,
    index_request: IndexRequest,
    candidates: Sequence[OperatingPoint] | None = None,
) -> Measurement:
    """Measure an index over its curve and choose the cheapest operating point that reaches the target.

    Latencies are of one thread. Recall is taken at RECALL_DEPTH, or at the count of a smaller catalogue.

    Args:
        index: index of all vectors.
        embedded: (count, D), the vectors themselves; may be memory-mapped.
        catalog: the products, row i of which has vector i.
        queries: queries to measure with.
        query_vectors: (n, D), vectors of these queries by the encoder that will serve.
        index_request: target recall, and the device that will serve.
        candidates: the operating points to measure; None for the whole curve.
    """
    ground_truth = make_ground_truth(embedded, query_vectors, min(RECALL_DEPTH, len(embedded)))
    with on_device(index, index_request) as served:
        tuning = tune_operating_point(served, ground_truth, index_request.target_recall, candidates)
        timed_on: Device = "cuda" if isinstance(served, GpuVectorIndex) else "cpu"
    canaries = _canaries(index, tuning, query_vectors, ground_truth.exact, queries, catalog)
    return Measurement(tuning, canaries, queries, timed_on)


def describe_index(choice: Choice, measurement: Measurement, index_request: IndexRequest) -> IndexDescription:
    """Return the manifest's record of an index, its curve, and the trials that it was chosen from."""
    tuning, queries = measurement.tuning, measurement.queries
    return IndexDescription(
        factory=choice.spec.factory,
        nprobe=tuning.operating_point.nprobe,
        k_factor=tuning.operating_point.k_factor,
        ef_search=tuning.operating_point.ef_search,
        target_recall=tuning.target_recall,
        recall_at_100=tuning.chosen.recall.tie_tolerant,
        reached_target=tuning.reached_target,
        measured_queries=len(queries.texts),
        measured_with=_describe_kinds(queries),
        held_out_queries=queries.held_out_count,
        curve=_records(tuning.curve),
        tie_tolerance=TIE_TOLERANCE,
        tie_share=TIE_SHARE,
        built_for=index_request.device,
        timed_on=measurement.timed_on,
        trials=tuple(map(_describe_trial, choice.trials)),
    )


def _describe_kinds(queries: QuerySample) -> MeasuredWith:
    if queries.held_out_count == len(queries.texts):
        return "held-out queries"
    return "held-out queries and titles" if queries.held_out_count else "titles"


def _describe_trial(trial: Trial) -> IndexTrial:
    return IndexTrial(
        factory=trial.spec.factory,
        index_bytes=trial.index_bytes,
        sample_rows=trial.sample_rows,
        recall_depth=trial.tuning.k,
        reached_target=trial.tuning.reached_target,
        estimated_ms=trial.estimated_ms,
        curve=_records(trial.tuning.curve),
    )


def _records(curve: Sequence[TuningPoint]) -> tuple[MeasuredPoint, ...]:
    return tuple(
        MeasuredPoint(
            nprobe=point.operating_point.nprobe,
            k_factor=point.operating_point.k_factor,
            ef_search=point.operating_point.ef_search,
            recall_at_100=point.recall.tie_tolerant,
            strict_recall_at_100=point.recall.strict,
            ms_per_query=point.latency_ms,
        )
        for point in curve
    )


def _canaries(
    index: VectorIndex,
    tuning: Tuning,
    vectors: Vectors,
    exact: Neighbours,
    queries: QuerySample,
    catalog: Catalog,
) -> tuple[Canary, ...]:
    """Choose canaries of the held-out queries, and of the titles too only where the former are too few."""
    count = queries.held_out_count if queries.held_out_count >= CANARY_QUERIES else len(queries.texts)
    found = index.search(vectors[:count], min(CANARY_DEPTH, index.count), tuning.operating_point)
    answers = Neighbours(exact.scores[:count], exact.rows[:count])
    return choose_canaries(queries.texts[:count], answers, found, catalog.table["product_id"])


def _held_out(bundle: ModelBundle) -> list[str]:
    return [query for query in dict.fromkeys(bundle.held_out_queries()) if query.strip()]


def _sample(texts: Sequence[str], most: int, rng: np.random.Generator) -> tuple[str, ...]:
    if len(texts) <= most:
        return tuple(texts)
    return tuple(texts[i] for i in sorted(rng.choice(len(texts), most, replace=False).tolist()))
