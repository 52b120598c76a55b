"""A tiny model with pairs to fit it to: fits of a second, for tests of the objective and of runs."""

from typing import Any

import numpy as np
import pyarrow as pa

from tests.support.models import tiny_model, tiny_tokenizers
from training.batches.pairs import BatchPlan, TrainingPairs, training_pairs
from training.batches.sources import FrozenVectors, Texts, TowerSource
from training.fitting.module import RetrievalModule
from training.recipes.recipe import Optimisation

TITLES = ["a red mug", "the oak chair", "a lamp", "blue dress with dots", "mug", "stool", "red lamp of oak"]
# Queries and catalogue rows. Query "red mug" bought two products, products 0 and 6 were bought for two queries.
BOUGHT = [("red mug", 0), ("chair", 1), ("red mug", 4), ("lamp of oak", 6), ("red", 0), ("blue dress", 3), ("red", 6)]
SHOWN = [("chair", 5), ("lamp of oak", 5), ("lamp of oak", 2), ("red", 4), ("blue dress", 0)]
QUERIES = list(dict.fromkeys(query for query, _ in BOUGHT))


def tiny_pairs() -> TrainingPairs:
    """BOUGHT, with SHOWN as seen negatives."""
    rows = {str(row): row for row in range(len(TITLES))}
    return training_pairs(_table(BOUGHT), _table(SHOWN), rows)


def tiny_plan(steps: int, batch_size: int = 6) -> BatchPlan:
    """Batches of BOUGHT with the seen negatives."""
    return BatchPlan(tiny_pairs(), batch_size, steps, use_seen_negatives=True, seed=4)


def tiny_module(steps: int = 10, **options: Any) -> RetrievalModule:
    """A 3tMM whose BiBERT and MLP are trained; its photos are frozen. `options` are keys of `optimisation`."""
    model = tiny_model("3tmm")
    sources: dict[str, dict[str, TowerSource]] = {
        "query": {"bibert": Texts(tiny_tokenizers(model.query.spec)["bibert"], QUERIES)},
        "product": {"bibert": Texts(tiny_tokenizers(model.product.spec)["bibert"], TITLES)},
    }
    width = next(tower.width for tower in model.product.spec.towers if tower.name == "clip")
    photos = np.random.default_rng(1).normal(size=(len(TITLES), width)).astype(np.float32)
    sources["product"]["clip"] = FrozenVectors(photos)
    given = {"epochs": 1, "batch_size": 6, "learning_rate": 0.01, "temperature": 0.2, "seen_negatives": True}
    optimisation = Optimisation.model_validate(given | options)
    return RetrievalModule(model, sources, ("bibert", "fusion"), frozenset({"fusion"}), optimisation, steps)


def _table(pairs: list[tuple[str, int]]) -> pa.Table:
    return pa.table({"query": [query for query, _ in pairs], "product_id": [str(row) for _, row in pairs]})
