"""What bench-train compares on: a sample shop's pairs, and the two towers that the fused recipe takes.

All of it is made once, in benchmarks/out/bench-train/, and used again by later runs.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.side import TowerName
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
TOWER_STEPS = 5  # a step takes as long with good frozen towers as with bad ones


def now() -> float:
    """Seconds on a clock, after what the GPU was given to do, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


@dataclass(frozen=True)
class Size:
    """How much one timed run does.

    Attributes:
        batch_size: pairs in a batch.
        warmup: steps before the clock starts.
        steps: that are timed.
        seed: of the order of the pairs.
    """

    batch_size: int
    warmup: int
    steps: int
    seed: int = 0


@dataclass(frozen=True)
class ReadPair:
    """One pair as a trainer of texts reads it."""

    query: str
    title: str
    row: int  # of the product in the catalogue


@dataclass(frozen=True)
class Workload:
    """The data set, its pairs, and a bundle of each tower."""

    data: TrainingData
    pairs: TrainingPairs
    towers: Mapping[TowerName, ModelBundle]
    folder: Path

    def recipe(self, name: str) -> Recipe:
        """A recipe that comes with Vitrine."""
        return load_recipe(name)

    def start(self, name: str) -> StartingModel:
        """The model that a recipe's fit starts from."""
        recipe = self.recipe(name)
        fitted = {tower: self.towers[tower] for tower in recipe.fitted_towers}
        return starting_model(recipe, [*self.data.catalog.titles, *sorted(self.pairs.queries)], fitted)

    def read_pairs(self, size: Size) -> list[ReadPair]:
        """The pairs of Vitrine's batches of a run of this size, in their order."""
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
    """The workload in `folder`; what is missing of it is made."""
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
    """A tower after a few steps of fitting."""
    out = folder / recipe
    if out.is_dir():
        return open_bundle(out)
    return fit(FitRequest(load_recipe(recipe), data, {}, out, VectorCache(folder / "vectors"), seed=0, steps=steps))
