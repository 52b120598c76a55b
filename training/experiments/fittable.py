"""Which rows can be fitted on a data set, known before anything is fitted."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.batches.training_data import TrainingData, data_from_dataset
from training.errors import ExperimentError, RecipeError
from training.fitting.data_checks import check_data
from training.recipes.recipe import Recipe


@dataclass(frozen=True)
class Fittable:
    """The rows that can be fitted, and sentences about the others for the readers of the tables."""

    rows: list[str]
    notes: list[str]


def fittable_rows(recipes: Mapping[str, Sequence[Recipe]], asked: Collection[str], path: Path) -> Fittable:
    """Return which rows can be fitted on a data set.

    Args:
        recipes: for each row its recipe, and then those of the towers that are fitted for it.
        asked: the rows that were asked for by name, which are refused rather than left out.
        path: the data set.

    Raises:
        ExperimentError: a row that was asked for cannot be fitted, or no row can.
    """
    data = data_from_dataset(path)
    reasons = _reasons_against(recipes, data)
    rows = [row for row in recipes if row not in reasons]
    refused = {row: reason for row, reason in reasons.items() if row in asked or not rows}
    if refused:
        raise ExperimentError("; ".join(f"{names} not fitted: {reason}" for names, reason in _sentences(refused)))
    notes = [f"{names} left out: {reason}." for names, reason in _sentences(reasons)]
    return Fittable(rows, [*notes, *_notes_on_negatives({row: recipes[row][0] for row in rows}, data)])


def _reasons_against(recipes: Mapping[str, Sequence[Recipe]], data: TrainingData) -> dict[str, str]:
    """Return, for each row that cannot be fitted, the reason."""
    known: dict[str, str | None] = {}  # by recipe, as rows share towers
    found: dict[str, str] = {}
    for row, needed in recipes.items():
        for recipe in needed:
            key = recipe.model_dump_json()
            if key not in known:
                known[key] = _reason_against(recipe, data)
            if reason := known[key]:
                found.setdefault(row, reason)
    return found


def _reason_against(recipe: Recipe, data: TrainingData) -> str | None:
    try:
        check_data(recipe, data)
    except RecipeError as error:
        return str(error)
    return None


def _notes_on_negatives(recipes: Mapping[str, Recipe], data: TrainingData) -> list[str]:
    """Name the rows whose recipe takes seen negatives where the data set has none."""
    rows = [name for name, recipe in recipes.items() if recipe.optimisation and recipe.optimisation.seen_negatives]
    if data.seen_negatives or not rows:
        return []
    return [f"{_named(rows)} fitted without seen negatives, of which the data set has none."]


def _sentences(reasons: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return each reason once, after the names of its rows as they begin a sentence."""
    rows = {reason: [row for row, its in reasons.items() if its == reason] for reason in reasons.values()}
    return [(_named(names), reason) for reason, names in rows.items()]


def _named(rows: Sequence[str]) -> str:
    return f"{', '.join(rows)} {'is' if len(rows) == 1 else 'are'}"
