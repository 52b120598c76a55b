"""Input of the report: results, comparisons with the baseline, the data set and training curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from artifacts.catalog import Catalog
from artifacts.dataset import Dataset, open_dataset
from artifacts.records import read_record
from evaluation.core.errors import EvaluationError
from evaluation.report_page.figures.roles import Role
from evaluation.report_page.training_log import TrainingLog, read_training_log
from evaluation.results.records import RESULT_SCHEMA_VERSION, SOURCES, Comparison, Result, Source
from evaluation.results.saved import QueryValues, SavedResult, load
from evaluation.tables.paper import paper_order

_COMPARISON_MARK = ".vs-"  # NAME.vs-BASELINE.json


@dataclass(frozen=True, eq=False)
class ReportInputs:
    """The data that the page shows.

    Attributes:
        saved: results of models in the paper's order, then of context rows; at least one.
        baseline: name of the model that all others are compared with; None if it is not among the results.
        featured: name of the multimodal model whose results stand beside the baseline's; None if there is none.
        comparisons: comparison of each model with the baseline, by model name.
        dataset: the data set that the models were evaluated on.
        training: training curves by model name; models without curves are absent.
    """

    saved: list[SavedResult]
    baseline: str | None
    featured: str | None
    comparisons: dict[str, Comparison]
    dataset: Dataset
    training: dict[str, TrainingLog]

    @property
    def results(self) -> list[Result]:
        """The summaries of all results, in the order of the page."""
        return [one.result for one in self.saved]

    @property
    def measured(self) -> list[Result]:
        """The summaries of the results that are not degenerate."""
        return [result for result in self.results if not result.degenerate]

    @property
    def sources(self) -> list[Source]:
        """The sources of labels that occur in any result."""
        return [source for source in SOURCES if any(source in result.labels for result in self.results)]

    @cached_property
    def catalog(self) -> Catalog:
        """The catalogue that was searched."""
        return self.dataset.catalog()

    def values(self, name: str) -> QueryValues:
        """Return the per-query values of a model, which must be among `measured`."""
        values = next(one.values for one in self.saved if one.result.model == name)
        assert values is not None
        return values

    def role(self, result: Result) -> Role:
        """Return the role of a model in the report, which decides how it is drawn."""
        if result.degenerate:
            return Role.DEGENERATE
        if result.model == self.baseline:
            return Role.BASELINE
        if result.kind == "context":
            return Role.CONTEXT
        return Role.FEATURED if result.model == self.featured else Role.OTHER


def read_inputs(results: Path, data: Path, *, runs: Path | None, model: str | None, baseline: str) -> ReportInputs:
    """Read the input of a report.

    Args:
        results: folder of results that `evaluation run` wrote.
        data: data set that the models were evaluated on.
        runs: folder whose subfolders NAME are the models' bundles, for the training curves.
        model: the multimodal model to feature; by default the one with the best recall.
        baseline: name of the model to compare with.

    Raises:
        EvaluationError: there are no results, they are of another data set, or `model` is not among them.
        ArtifactError: a file is missing, altered or not in its format.
    """
    saved = _read_results(results)
    dataset = open_dataset(data)
    _check_dataset([one.result for one in saved], dataset, data)
    measured = [one.result for one in saved if not one.result.degenerate]
    has_baseline = any(result.model == baseline for result in measured)
    return ReportInputs(
        saved=saved,
        baseline=baseline if has_baseline else None,
        featured=_featured(measured, model, baseline),
        comparisons=_read_comparisons(results, measured, baseline) if has_baseline else {},
        dataset=dataset,
        training=_read_training(runs, saved) if runs else {},
    )


def _read_results(folder: Path) -> list[SavedResult]:
    paths = [path for path in sorted(folder.glob("*.json")) if _COMPARISON_MARK not in path.name]
    if not paths:
        raise EvaluationError(f"{folder} holds no results; make some with `evaluation run --out {folder}`")
    return sorted((load(path) for path in paths), key=_order)


def _order(one: SavedResult) -> tuple[bool, tuple[int, str]]:
    origin = one.result.origin
    return one.result.kind == "context", paper_order(origin.name if origin else "", one.result.model)


def _check_dataset(results: Sequence[Result], dataset: Dataset, path: Path) -> None:
    for result in results:
        if result.dataset_fingerprint != dataset.fingerprint:
            raise EvaluationError(
                f"{result.model} was evaluated on data set {result.dataset_fingerprint[:12]}, "
                f"but {path} is {dataset.fingerprint[:12]}; give the data set of the results with --data"
            )


def _featured(measured: Sequence[Result], wanted: str | None, baseline: str) -> str | None:
    """Return the wanted model, or the one with the best recall except the baseline."""
    candidates = {result.model: result for result in measured if result.kind == "model" and result.model != baseline}
    if wanted is not None and wanted not in candidates:
        raise EvaluationError(f"--model {wanted} is none of the models that can be shown: {', '.join(candidates)}")
    return wanted or max(candidates, key=lambda name: _recall(candidates[name]), default=None)


def _recall(result: Result) -> float:
    assert result.recall is not None  # only degenerate results have none
    return result.recall.mean


def _read_comparisons(folder: Path, measured: Sequence[Result], baseline: str) -> dict[str, Comparison]:
    fingerprints = {result.model: result.model_fingerprint for result in measured}
    found = {}
    for result in measured:
        path = folder / f"{result.model}{_COMPARISON_MARK}{baseline}.json"
        if path.is_file():
            comparison = read_record(path, Comparison, schema_version=RESULT_SCHEMA_VERSION)
            sides = (comparison.model_fingerprint, comparison.baseline_fingerprint)
            if sides != (result.model_fingerprint, fingerprints[baseline]):
                raise EvaluationError(
                    f"{path} compares other models than those of the results in this folder; run the evaluation again"
                )
            found[result.model] = comparison
    return found


def _read_training(runs: Path, saved: Sequence[SavedResult]) -> dict[str, TrainingLog]:
    logs = {one.result.model: read_training_log(runs / one.result.model) for one in saved}
    return {name: log for name, log in logs.items() if log}
