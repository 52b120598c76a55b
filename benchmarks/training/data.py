"""The workload of bench-train: training pairs of a sample shop, and bundles of the towers that `4tmm-mlp` fuses.

It is made once, in benchmarks/out/bench-train/, and reused by later runs.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.tower_specs import TowerName
from towers.vector_cache import VectorCache
from training.batches.inputs import pairs_for
from training.batches.pairs import BatchPlan, TrainingPairs
from training.batches.training_data import TrainingData, data_from_dataset
from training.fitting.fit import fit
from training.fitting.request import FitRequest
from training.logs.prepare import prepare
from training.model.start import StartingModel, starting_model
from training.recipes.recipe import Recipe, load_recipe
from training.sample_shop import generate_sample_shop

SHOP_PRODUCTS = 3000
TOWER_STEPS = 5  # few are enough: the time of a step does not depend on the quality of the frozen towers


def now() -> float:
    """Return the time in seconds, after all work queued on the GPU, if any, has finished."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


@dataclass(frozen=True)
class Size:
    """The size of one timed run.

    Attributes:
        batch_size: number of pairs in a batch.
        warmup: number of steps before the timed ones.
        steps: number of timed steps.
        seed: seed of the order of the pairs.
    """

    batch_size: int
    warmup: int
    steps: int
    seed: int = 0


@dataclass(frozen=True)
class ReadPair:
    """A training pair as texts, the input of sentence-transformers' trainer."""

    query: str
    title: str
    row: int  # row of the product in the catalogue


@dataclass(frozen=True)
class Workload:
    """The data set, its training pairs, and a bundle of each tower."""

    data: TrainingData
    pairs: TrainingPairs
    towers: Mapping[TowerName, ModelBundle]
    folder: Path

    def recipe(self, name: str) -> Recipe:
        """Return a recipe that comes with Vitrine, by its name."""
        return load_recipe(name)

    def start(self, name: str) -> StartingModel:
        """Return the model that a fit of this recipe starts from."""
        recipe = self.recipe(name)
        fitted = {tower: self.towers[tower] for tower in recipe.fitted_towers}
        return starting_model(recipe, [*self.data.catalog.titles, *sorted(self.pairs.queries)], fitted)

    def read_pairs(self, size: Size) -> list[ReadPair]:
        """Return the pairs of Vitrine's batches in a run of this size, in the order of the batches."""
        steps = size.warmup + size.steps
        plan = BatchPlan(self.pairs, size.batch_size, steps, use_seen_negatives=False, seed=size.seed)
        titles, found = self.data.catalog.titles, list[ReadPair]()
        for step in range(steps):
            batch = plan.batch(step)
            rows = batch.products[batch.positives].tolist()
            found += [
                ReadPair(self.pairs.queries[query], titles[row], row)
                for query, row in zip(batch.queries.tolist(), rows, strict=True)
            ]
        return found


def make_workload(folder: Path, products: int = SHOP_PRODUCTS, tower_steps: int = TOWER_STEPS) -> Workload:
    """Open the workload in `folder`, and make the parts that are missing."""
    shop = folder / "shop"
    if not (shop / "catalog.parquet").is_file():
        generate_sample_shop(shop, products=products, seed=1)
    if not (folder / "data").is_dir():
        prepare(shop / "catalog.parquet", shop / "interactions.parquet", shop / "judgments.parquet", folder / "data")
    data = data_from_dataset(folder / "data")
    towers: dict[TowerName, ModelBundle] = {}
    for name, recipe in _TOWERS.items():
        towers[name] = _tower(recipe, data, folder, tower_steps)
    return Workload(data, pairs_for(load_recipe("bibert"), data), towers, folder)


_TOWERS: dict[TowerName, str] = {"bibert": "bibert", "clip": "clip-small"}


def _tower(recipe: str, data: TrainingData, folder: Path, steps: int) -> ModelBundle:
    """Return the bundle of a tower, fitted for a few steps if the folder does not have it yet."""
    out = folder / recipe
    if out.is_dir():
        return open_bundle(out)
    return fit(FitRequest(load_recipe(recipe), data, {}, out, VectorCache(folder / "vectors"), seed=0, steps=steps))
