"""Whether a finished bundle was made from what a stage asks for."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from artifacts.bundle import open_bundle
from artifacts.dataset import open_dataset
from training.errors import ExperimentError
from training.recipes.recipe import Recipe


def check_origin(out: Path, recipe: Recipe, data: Path, seed: int) -> None:
    """Refuse a bundle that was fitted with another recipe, data set or seed.

    Args:
        out: the bundle.
        recipe: what was to be fitted.
        data: the data set.
        seed: the seed of the fit.

    Raises:
        ExperimentError: it was fitted with something else.
    """
    origin = open_bundle(out).card.origin
    wanted = {"recipe": recipe, "data set": open_dataset(data).fingerprint, "seed": seed}
    found = {"recipe": _as_recipe(origin.recipe), "data set": origin.dataset_fingerprint, "seed": origin.seed}
    other = [what for what in wanted if wanted[what] != found[what]]
    if other:
        raise ExperimentError(f"{out} was fitted with another {' and '.join(other)}; remove it or choose another --out")


def _as_recipe(content: dict[str, Any]) -> Recipe | None:
    """Return the recipe that a bundle records, with defaults for newer fields; None if it is no valid recipe."""
    try:
        return Recipe.model_validate(content)
    except ValidationError:
        return None
