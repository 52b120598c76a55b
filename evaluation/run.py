"""Evaluation of several systems on one data set; valid results of an earlier run are reused."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from artifacts.atomic import replace_file
from artifacts.errors import ArtifactError
from evaluation.core.errors import EvaluationError
from evaluation.labels.labelling import Labeller
from evaluation.measures.comparison import compare
from evaluation.measures.evaluate import evaluate
from evaluation.results.records import CUT_OFFS, Comparison
from evaluation.results.saved import SavedResult, load, save
from evaluation.systems.system import System, Workspace
from evaluation.tables.paper import paper_order
from evaluation.test_set.test_set import TestSet


@dataclass(frozen=True, eq=False)
class Outcome:
    """All results of a run, in the order of the tables.

    Attributes:
        results: one result for each system.
        comparisons: each sound model compared with the baseline, in the same order; empty without a sound baseline.
        reused: names of the systems whose result of an earlier run was reused.
    """

    results: list[SavedResult]
    comparisons: list[Comparison]
    reused: list[str]

    @property
    def degenerate(self) -> list[str]:
        """Names of degenerate models."""
        return [saved.result.model for saved in self.results if saved.result.degenerate]


def run_all(
    systems: Sequence[System], test_set: TestSet, labeller: Labeller, workspace: Workspace, baseline: str
) -> Outcome:
    """Evaluate the systems that have no result yet, and compare all of them with the baseline.

    Raises:
        EvaluationError: two systems have the same name.
    """
    names = [system.name for system in systems]
    if len(set(names)) < len(names):
        raise EvaluationError(f"expected models with different folder names, got {', '.join(names)}; rename a folder")
    results, reused = [], []
    for system in systems:
        saved = _earlier_result(system, test_set, labeller, workspace.out)
        if saved is None:
            saved = load(save(workspace.out, *evaluate(system, test_set, labeller, workspace)))
        else:
            reused.append(system.name)
        depth = min(max(CUT_OFFS), len(test_set.catalog))
        workspace.search_file(system.fingerprint, test_set, depth).unlink(missing_ok=True)
        results.append(saved)
    results.sort(key=_table_order)
    return Outcome(results, _compare_all(results, baseline, test_set, workspace.out), reused)


def _earlier_result(system: System, test_set: TestSet, labeller: Labeller, out: Path) -> SavedResult | None:
    """Return the saved result if it is whole and of the same system, data and annotator, otherwise None."""
    path = out / f"{system.name}.json"
    if not path.is_file():
        return None
    try:
        saved = load(path)
    except ArtifactError:  # another schema version, or damaged: evaluated again
        return None
    if saved.result.first_page is None and not saved.result.degenerate:  # of an older release, with fewer measures
        return None
    annotator = labeller.annotated.annotator.fingerprint if labeller.annotated else None
    found = (saved.result.model_fingerprint, saved.result.dataset_fingerprint, saved.result.annotator_fingerprint)
    return saved if found == (system.fingerprint, test_set.dataset_fingerprint, annotator) else None


def _compare_all(results: Sequence[SavedResult], baseline: str, test_set: TestSet, out: Path) -> list[Comparison]:
    """Compare each sound model with the baseline and write its NAME.vs-BASELINE.json."""
    sound = {saved.result.model: saved for saved in results if not saved.result.degenerate}
    if baseline not in sound:
        return []
    for saved in results:  # remove the comparisons of an earlier run
        (out / f"{saved.result.model}.vs-{baseline}.json").unlink(missing_ok=True)
    comparisons = [
        compare(saved, sound[baseline], test_set.bought) for name, saved in sound.items() if name != baseline
    ]
    for comparison in comparisons:
        path = out / f"{comparison.model}.vs-{comparison.baseline}.json"
        replace_file(path, comparison.model_dump_json(indent=2).encode() + b"\n")
    return comparisons


def _table_order(saved: SavedResult) -> tuple[bool, int]:
    """Sort models as the paper's Table 2 does, and context rows after them."""
    origin = saved.result.origin
    position, _ = paper_order(origin.name if origin else "", saved.result.model)
    return saved.result.kind == "context", position
