"""Small fits on the sample shop of these tests, some without the export, which takes longer than they do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from artifacts.bundle import ModelBundle
from artifacts.side import ENCODER_FILE
from artifacts.tower_specs import TowerName
from tests.training.small_recipes import small
from towers.model import Model, Side
from towers.vector_cache import VectorCache
from training.batches.training_data import TrainingData
from training.fitting import bundle_writer
from training.fitting.fit import fit
from training.fitting.request import FitRequest
from training.recipes.recipe import Recipe

STEPS = {"bibert": 30, "clip-small": 4}  # of the towers; other recipes take 3
# One row of each composition; the others have a query side of the same kind. The towers are read with torch.
EXPORTED = ("3tmm-joint", "4tmm-alpha-history", "4tmm-cat", "4tmm-mlp-sn", "clip")


@contextmanager
def without_export() -> Iterator[list[list[str]]]:
    """Bundles get a file that stands in for the exported query encoder, and no photo encoder.

    Gives the lists of texts on which exports would have been compared.
    """
    samples: list[list[str]] = []

    def stand_in(side: Side, folder: Path, texts: list[str]) -> None:
        samples.append(texts)
        (folder / ENCODER_FILE).write_bytes(b"no encoder")

    def nothing(model: Model, folder: Path) -> None:
        pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle_writer, "export_query_side", stand_in)
        patch.setattr(bundle_writer, "write_photo_encoder", nothing)
        yield samples


class Fits:
    """Bundles of small recipes, each fitted when it is first asked for and then shared; nobody changes them.

    Args:
        data: what they are fitted on.
        folder: where they are written.
    """

    def __init__(self, data: TrainingData, folder: Path) -> None:
        self.cache = VectorCache(folder / "vectors")
        self._data = data
        self._folder = folder
        self._bundles: dict[str, ModelBundle] = {}

    def bundle(self, name: str) -> ModelBundle:
        """The bundle of a recipe that comes with Vitrine."""
        if name not in self._bundles:
            recipe = small(name)
            steps = STEPS.get(name, 3) if recipe.train else None
            request = FitRequest(
                recipe, self._data, self.towers_of(recipe), self._folder / name, self.cache, steps=steps
            )
            self._bundles[name] = fit(request) if name in EXPORTED else fit_without_export(request)
        return self._bundles[name]

    def towers_of(self, recipe: Recipe) -> dict[TowerName, ModelBundle]:
        """Bundles of the towers that a recipe takes from an earlier fit."""
        fits: dict[TowerName, Callable[[], ModelBundle]] = {
            "bibert": lambda: self.bundle(recipe.text_tower),
            "clip": lambda: self.bundle("clip-small"),
        }
        return {tower: fits[tower]() for tower in recipe.fitted_towers}


def fit_without_export(request: FitRequest) -> ModelBundle:
    """A fit whose bundle has a file that stands in for the exported query encoder, and no photo encoder."""
    with without_export():
        return fit(request)
