"""Evaluating several systems on one data set: what is finished is taken as it is, what is missing is done."""

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
from evaluation.systems.system import System, Workplace
from evaluation.tables.paper import paper_order
from evaluation.test_set.test_set import TestSet


@dataclass(frozen=True, eq=False)
class Outcome:
    """All results of a run, in the order of the tables.

    Attributes:
        results: one a system.
        comparisons: of all others with the baseline, in the same order; empty without a baseline.
        as_before: names of the systems whose result was there already.
    """

    results: list[SavedResult]
    comparisons: list[Comparison]
    as_before: list[str]

    @property
    def degenerate(self) -> list[str]:
        """Names of degenerate models."""
        return [saved.result.model for saved in self.results if saved.result.degenerate]


def run_all(
    systems: Sequence[System], test_set: TestSet, labeller: Labeller, place: Workplace, baseline: str
) -> Outcome:
    """Evaluate what has no result yet, and compare everything with the baseline.

    Raises:
        EvaluationError: two systems have one name.
    """
    names = [system.name for system in systems]
    if len(set(names)) < len(names):
        raise EvaluationError(f"models are told apart by their folders' names, got {', '.join(names)}")
    results, as_before = [], []
    for system in systems:
        saved = _as_before(system, test_set, labeller, place.out)
        if saved is None:
            saved = load(save(place.out, *evaluate(system, test_set, labeller, place)))
        else:
            as_before.append(system.name)
        place.kept(system.fingerprint, test_set, min(max(CUT_OFFS), len(test_set.catalog))).unlink(missing_ok=True)
        results.append(saved)
    results.sort(key=_place_in_paper)
    return Outcome(results, _compare_all(results, baseline, test_set, place.out), as_before)


def _as_before(system: System, test_set: TestSet, labeller: Labeller, out: Path) -> SavedResult | None:
    """The result of an earlier run, if it is of the same system, data and annotator, and whole."""
    path = out / f"{system.name}.json"
    if not path.is_file():
        return None
    try:
        saved = load(path)
    except ArtifactError:  # of another schema version, or damaged: made again
        return None
    annotator = labeller.annotated.annotator.fingerprint if labeller.annotated else None
    found = (saved.result.model_fingerprint, saved.result.dataset_fingerprint, saved.result.annotator_fingerprint)
    return saved if found == (system.fingerprint, test_set.dataset_fingerprint, annotator) else None


def _compare_all(results: Sequence[SavedResult], baseline: str, test_set: TestSet, out: Path) -> list[Comparison]:
    """Compare all others with the baseline, and write NAME.vs-BASELINE.json of each."""
    sound = {saved.result.model: saved for saved in results if not saved.result.degenerate}
    if baseline not in sound:
        return []
    for saved in results:  # of an earlier run
        (out / f"{saved.result.model}.vs-{baseline}.json").unlink(missing_ok=True)
    comparisons = [
        compare(saved, sound[baseline], test_set.bought) for name, saved in sound.items() if name != baseline
    ]
    for comparison in comparisons:
        path = out / f"{comparison.model}.vs-{comparison.baseline}.json"
        replace_file(path, comparison.model_dump_json(indent=2).encode() + b"\n")
    return comparisons


def _place_in_paper(saved: SavedResult) -> tuple[bool, int]:
    origin = saved.result.origin
    place, _ = paper_order(origin.name if origin else "", saved.result.model)
    return saved.result.kind == "context", place
