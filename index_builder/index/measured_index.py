"""Builds the index of a version and measures it: of a type that is chosen now, or as the base version has it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from artifacts.catalog import Catalog
from artifacts.manifest import Canary, IndexDescription
from index_builder.core.progress import ProgressReporter
from index_builder.index.base_index import BaseIndex, IndexPlan
from index_builder.index.indexing import AUTO, fill_index, plan_index, refill_index
from index_builder.index.measure import Measurement, QuerySample, describe_index, measure
from index_builder.index.memory_budget import memory_budget
from index_builder.index.type_choice import Choice, choose_index
from knn import IndexSpec, OperatingPoint, VectorIndex, read_index
from towers.query_encoder import Vectors


@dataclass(frozen=True, eq=False)
class Measurable:
    """What an index is built of and measured with.

    Attributes:
        vectors: (count, D) float32, may be memory-mapped.
        ids: the products' ids; row i has vector i.
        queries: queries to measure with.
        query_vectors: (n, D) float32, their vectors by the encoder that will serve.
    """

    vectors: Vectors
    ids: Catalog
    queries: QuerySample
    query_vectors: Vectors


@dataclass(frozen=True, eq=False)
class MeasuredIndex:
    """An index with its figures.

    Attributes:
        index: the index of all vectors.
        description: what the manifest says of it.
        canaries: queries by which the version is checked when it is loaded.
    """

    index: VectorIndex
    description: IndexDescription
    canaries: tuple[Canary, ...]


def build_measured_index(plan: IndexPlan, data: Measurable, report: ProgressReporter) -> MeasuredIndex:
    """Build an index of all vectors, choose its operating point, and measure it.

    Args:
        plan: which index.
        data: what it is built of and measured with.
        report: receives a line at each step.

    Raises:
        BuildError: no type fits into the memory budget.
        KnnError: the index cannot be made, trained, filled, or read from the base version.
    """
    taken_over = _take_over(plan, plan.base, data, report) if plan.base else None
    return taken_over or _choose(plan, data, report)


def _take_over(plan: IndexPlan, base: BaseIndex, data: Measurable, report: ProgressReporter) -> MeasuredIndex | None:
    """Return an index with the base version's type, centres and operating point.

    Another operating point is chosen where that one misses the target, or where another target is asked for. None where
    all miss it, and the type was chosen by measurement, so that it may be chosen again.
    """
    report(f"filling {base.description.factory} as the base version has it")
    index = refill_index(read_index(base.path, base.record.sha256, base.record.size_bytes), data.vectors)
    same_target = plan.request.target_recall == base.description.target_recall
    measurement = _measure(index, plan, data, [base.operating_point] if same_target else None, report)
    if same_target and not measurement.tuning.reached_target:
        report("the base version's operating point misses the target: choosing another one")
        measurement = _measure(index, plan, data, None, report)
    if not measurement.tuning.reached_target and plan.request.index == AUTO:
        report(f"{base.description.factory} misses the target: the type is chosen again")
        return None
    choice = Choice(IndexSpec(base.description.factory, 0))
    return _described(index, choice, measurement, plan, base.chosen_count)


def _choose(plan: IndexPlan, data: Measurable, report: ProgressReporter) -> MeasuredIndex:
    """Return an index of the type that is best by measurement, or of the one that is named."""
    request, vectors = plan.request, data.vectors
    specs = plan_index(request, len(vectors), vectors.shape[1])
    choice = choose_index(specs, request, vectors, data.query_vectors, report)

    def build(spec: IndexSpec) -> tuple[VectorIndex, Measurement]:
        report(f"building {spec.factory}")
        index = fill_index(spec, vectors, request.seed, choice.centres)
        return index, _measure(index, plan, data, None, report)

    index, measurement = build(choice.spec)
    if not measurement.tuning.reached_target and choice.highest_recall != choice.spec:
        report(f"{choice.spec.factory} misses the target over all products")
        del index  # the memory may not have room for two
        choice = replace(choice, spec=choice.highest_recall)
        index, measurement = build(choice.spec)
    return _described(index, choice, measurement, plan, len(vectors))


def _measure(
    index: VectorIndex,
    plan: IndexPlan,
    data: Measurable,
    candidates: Sequence[OperatingPoint] | None,
    report: ProgressReporter,
) -> Measurement:
    report(f"measuring with {len(data.queries.texts):,} queries")
    return measure(index, data.vectors, data.ids, data.queries, data.query_vectors, plan.request, candidates)


def _described(
    index: VectorIndex, choice: Choice, measurement: Measurement, plan: IndexPlan, chosen_count: int
) -> MeasuredIndex:
    request = plan.request
    is_chosen = request.index == AUTO
    budget = memory_budget(request.device, request.memory_budget_bytes, request.gpu) if is_chosen else None
    description = describe_index(choice, measurement, request).model_copy(
        update={"memory_budget_bytes": budget, "chosen_count": chosen_count}
    )
    return MeasuredIndex(index, description, measurement.canaries)
