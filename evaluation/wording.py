"""Evaluation of systems on the queries as they were typed and on every rewritten form of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from evaluation.core.text_tables import Table
from evaluation.labels.labelling import Labeller
from evaluation.results.saved import SavedResult
from evaluation.run import Outcome, run_all
from evaluation.systems.system import System, Workspace
from evaluation.tables.wording_table import wording_table
from evaluation.test_set.rewriting import REWRITINGS, rewritten
from evaluation.test_set.test_set import TestSet

_AS_TYPED = "as-typed"  # folder of the results of the queries as they were typed; the others are named after the rule
_NO_BASELINE = ""


@dataclass(frozen=True, eq=False)
class WordingOutcome:
    """What an evaluation of rewritten queries gave.

    Attributes:
        tables: one for each system.
        degenerate: names of the systems with a degenerate result.
    """

    tables: list[Table]
    degenerate: list[str]


def run_wordings(
    systems: Sequence[System], test_set: TestSet, workspace: Workspace, logged: Collection[str]
) -> WordingOutcome:
    """Evaluate the systems on the queries as typed and on all rewritten forms; finished results are reused.

    Args:
        systems: what is evaluated.
        test_set: the queries as they were typed.
        workspace: its `out` gets a folder of results for each form of the queries.
        logged: the words of the logged queries.

    Raises:
        EvaluationError: two systems have the same name.
    """
    typed = _run(systems, test_set, workspace, _AS_TYPED)
    forms = {rule: _run(systems, rewritten(test_set, rule, logged), workspace, rule) for rule in REWRITINGS}
    others = {rule: _by_name(outcome) for rule, outcome in forms.items()}
    tables = [
        wording_table(saved, {rule: found[name] for rule, found in others.items()})
        for name, saved in _by_name(typed).items()
    ]
    degenerate = dict.fromkeys(name for outcome in (typed, *forms.values()) for name in outcome.degenerate)
    return WordingOutcome(tables, list(degenerate))


def _run(systems: Sequence[System], test_set: TestSet, workspace: Workspace, folder: str) -> Outcome:
    inside = replace(workspace, out=workspace.out / folder)
    return run_all(systems, test_set, Labeller(test_set.labels, None), inside, _NO_BASELINE)


def _by_name(outcome: Outcome) -> dict[str, SavedResult]:
    return {saved.result.model: saved for saved in outcome.results}
