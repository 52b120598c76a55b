"""Throughput of Vitrine's training steps, with the same code as `training fit`: its plan, sources, module and run."""

import tempfile
from pathlib import Path

import torch

from benchmarks.training.data import Size, Workload, now
from towers.side_encoder import SideEncoder
from towers.vector_cache import VectorCache
from training.batches.inputs import Sources, tower_sources
from training.batches.pairs import Batch, BatchPlan, TrainingPairs
from training.fitting.module import RetrievalModule
from training.fitting.run import run
from training.model.start import StartingModel, side_tokenizers
from training.recipes.recipe import Recipe


class TimedPlan(BatchPlan):
    """A batch plan that records the time at which each batch is requested, once per step."""

    def __init__(self, pairs: TrainingPairs, size: Size) -> None:
        # One step more than is timed, so that the end of the last timed step is recorded too.
        super().__init__(pairs, size.batch_size, size.warmup + size.steps + 1, use_seen_negatives=False, seed=size.seed)
        self.asked_at: list[float] = []

    def batch(self, step: int) -> Batch:
        """Return the batch of a step, and record the time."""
        self.asked_at.append(now())
        return super().batch(step)


def pairs_per_second(workload: Workload, name: str, size: Size, *, live: bool = False) -> float:
    """Return the pairs per second after warm-up, over making batches, forward and backward pass, and optimiser.

    Args:
        workload: the training pairs and the towers.
        name: name of the recipe.
        size: numbers of pairs and steps.
        live: whether the frozen towers run in every step; otherwise their vectors are computed once and looked up.
    """
    torch.manual_seed(size.seed)
    recipe, start = workload.recipe(name), workload.start(name)
    start.model.eval()
    plan = TimedPlan(workload.pairs, size)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        read_as = recipe.model_copy(update={"train": ("bibert", "clip", "fusion")}) if live else recipe
        sources = _sources(workload, read_as, start, VectorCache(workload.folder / "vectors"), work)
        assert recipe.optimisation is not None
        module = RetrievalModule(
            start.model, sources, recipe.train, recipe.scratch_parts, recipe.optimisation, plan.steps
        )
        run(module, plan, work, size.seed)
    return size.batch_size * size.steps / (plan.asked_at[size.warmup + size.steps] - plan.asked_at[size.warmup])


def encoding_seconds(workload: Workload, name: str) -> float:
    """Return the seconds that a recipe's frozen towers need to encode all training queries, titles and photos once."""
    recipe, start = workload.recipe(name), workload.start(name)
    start.model.eval()
    with tempfile.TemporaryDirectory() as folder:
        began = now()
        _sources(workload, recipe, start, VectorCache(Path(folder) / "vectors"), Path(folder))
        return now() - began


def _sources(workload: Workload, recipe: Recipe, start: StartingModel, cache: VectorCache, work: Path) -> Sources:
    query, product = (
        SideEncoder(side, side_tokenizers(side, start.tokenizers), cache)
        for side in (start.model.query, start.model.product)
    )
    return tower_sources(recipe, query, product, workload.pairs.queries, workload.data.products, work)
