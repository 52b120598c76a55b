"""The index of a base version, from which an update takes over type, centres and operating point."""

from dataclasses import dataclass, replace
from pathlib import Path

from artifacts.checksums import FileRecord
from artifacts.manifest import IndexDescription
from index_builder.core.progress import ProgressReporter
from index_builder.index.indexing import AUTO, IndexRequest
from knn import Device, OperatingPoint

_MOST_GROWTH = 2.0  # of the number of products since the type was chosen, in either direction, before a line says so


@dataclass(frozen=True)
class IndexChanges:
    """What the index of an update has otherwise than that of its base version; None for what stays.

    Attributes:
        index: FAISS factory string, or AUTO to choose the type again.
        target_recall: recall that the operating point should reach.
        device: device that will search it.
        memory_budget_bytes: memory that it may take there.
        seed: seed of the training sample, the clustering and the measured queries.
        gpu: number of the GPU here on which an index for a GPU is timed.
    """

    index: str | None = None
    target_recall: float | None = None
    device: Device | None = None
    memory_budget_bytes: int | None = None
    seed: int = 0
    gpu: int = 0

    @property
    def are_none(self) -> bool:
        """Whether everything stays as the base version has it."""
        return all(wanted is None for wanted in (self.index, self.target_recall, self.device, self.memory_budget_bytes))

    def request_after(self, base: IndexDescription) -> IndexRequest:
        """Return which index to build after a base version.

        Where the device changes, the type is chosen again, unless one is named, and the memory budget is not that of
        the other device.

        Raises:
            BuildError: the target is out of range.
        """
        device = self.device or base.built_for
        is_same_device = device == base.built_for
        budget = base.memory_budget_bytes if is_same_device else None
        return IndexRequest(
            self.index or (base.factory if is_same_device and budget is None else AUTO),
            base.target_recall if self.target_recall is None else self.target_recall,
            device,
            budget if self.memory_budget_bytes is None else self.memory_budget_bytes,
            self.seed,
            self.gpu,
        )


@dataclass(frozen=True)
class BaseIndex:
    """The index of a base version.

    Attributes:
        path: the file.
        record: its size and checksum.
        description: what the manifest says of it.
        count: number of its vectors.
    """

    path: Path
    record: FileRecord
    description: IndexDescription
    count: int

    @property
    def operating_point(self) -> OperatingPoint:
        """The search parameters that the base version is searched with."""
        return OperatingPoint(self.description.nprobe, self.description.k_factor, self.description.ef_search)

    @property
    def chosen_count(self) -> int:
        """The number of products for which the type was chosen and the centres were found."""
        return self.description.chosen_count or self.count


@dataclass(frozen=True)
class IndexPlan:
    """The index that a version gets.

    Attributes:
        request: which index to build.
        base: the index that its type, centres and operating point come from; None to choose or train anew.
    """

    request: IndexRequest
    base: BaseIndex | None = None


def plan_after(base: BaseIndex, changes: IndexChanges, count: int, report: ProgressReporter) -> IndexPlan:
    """Plan the index of an update: that of its base version, as far as nothing else is asked for and it still fits.

    Args:
        base: index of the base version.
        changes: what is to be otherwise.
        count: number of products of the new version.
        report: receives a line where the type is chosen again, or might be.
    """
    request = changes.request_after(base.description)
    if changes.index is not None or request.device != base.description.built_for:
        return IndexPlan(request)
    size_bytes, budget = base.record.size_bytes * count / base.count, request.memory_budget_bytes
    if budget is not None and size_bytes > budget:
        report(
            f"{base.description.factory} takes {size_bytes / 1e9:.3g} GB for {count:,} products, more than the budget "
            f"of {budget / 1e9:.3g} GB: the type is chosen again"
        )
        return IndexPlan(replace(request, index=AUTO))
    if not 1 / _MOST_GROWTH <= count / base.chosen_count <= _MOST_GROWTH:
        report(
            f"{base.description.factory} was chosen for {base.chosen_count:,} products, and now there are {count:,}: "
            "`build`, or `update --index auto`, chooses again"
        )
    return IndexPlan(request, base)
