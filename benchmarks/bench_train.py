"""Training throughput of Vitrine and of sentence-transformers' trainer, with the same pairs, batch size and model.

`make bench-train` runs it. Measured in one run are:

1. BiBERT: pairs per second of the recipe `bibert`, and of sentence-transformers' trainer with
   MultipleNegativesRankingLoss on transformers' BERT of the same sizes, at the fastest of several settings.
2. Frozen towers: pairs per second of the recipe `4tmm-mlp`, which looks up precomputed vectors of the frozen towers,
   and of sentence-transformers' trainer, which has no such cache: it fits the same fusion but runs the same frozen
   towers in every step. Its photos are decoded beforehand, which is to its advantage. The control is Vitrine's own
   training with the frozen towers run in every step.
3. The time of encoding with the frozen towers once, alone and as a share of one fit of the recipe.

All are measured in turns, so that a noisy machine affects them alike. Start-up and warm-up steps are not timed.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from artifacts.cores import usable_cores
from artifacts.tower_specs import TowerName
from benchmarks.common.harness import OUT, Figure, Target, report, this_machine
from benchmarks.training import ours as ours
from benchmarks.training.data import Size, Workload, make_workload
from benchmarks.training.peer import (
    PRODUCT,
    QUERY,
    Columns,
    Setting,
    VitrineSides,
    bert_model,
    grouped_by_length,
    pairs_per_second,
)
from towers.model import Model
from training.batches.photo_store import PhotoStore, decode_catalog
from training.fitting.module import mark_trainable
from training.model.start import side_tokenizers

BATCH = 512
TRIAL = Size(BATCH, warmup=2, steps=5)  # size of a trial of one setting of the peer
ROUND = Size(BATCH, warmup=3, steps=10)
LONG = Size(BATCH, warmup=10, steps=60)  # size for the steps that look up vectors, which are short
ROUNDS = 5
PACKAGES = ("torch", "lightning", "sentence-transformers", "transformers", "accelerate")


def main() -> int:
    """Measure, print and write the result, and return the exit code: 0, or 1 when a target was missed."""
    torch.set_num_threads(usable_cores())
    workload = make_workload(OUT / "bench-train")
    trials = try_settings(workload)
    best = max(trials, key=lambda setting: trials[setting])
    with tempfile.TemporaryDirectory() as folder:
        photo = workload.towers["clip"].product.towers[0].photo  # type: ignore[union-attr]
        store = decode_catalog(workload.data.products, photo, Path(folder))
        figures = rounds(workload, best, store)
    encoding = Figure("encoding the frozen towers once", "s", (ours.encoding_seconds(workload, "4tmm-mlp"),))
    figures["with encoding"] = _with_encoding(workload, figures["looked up"], encoding)
    tried = [Figure(f"trial: {setting}", "pairs/s", (rate,)) for setting, rate in trials.items()]
    return report(
        "bench-train",
        this_machine(PACKAGES),
        _setting(workload, best),
        [*tried, *figures.values(), encoding],
        _targets(figures),
    )


def try_settings(workload: Workload) -> dict[Setting, float]:
    """Return the peer's pairs per second at each setting: first attention and bf16, then the rest at their best."""
    found: dict[Setting, float] = {}

    def attempt(setting: Setting) -> None:
        found[setting] = peer_bibert(workload, TRIAL, setting)
        print(f"{setting}: {found[setting]:,.0f} pairs/s", flush=True)

    for attention in ("sdpa", "eager"):
        for bf16 in (False, True):
            attempt(Setting(attention, bf16, grouped=False, workers=0))
    for grouped, workers in ((True, 0), (False, 1), (True, 1), (False, 2)):
        fastest = max((setting for setting in found if not setting.workers), key=lambda setting: found[setting])
        attempt(Setting(fastest.attention, fastest.bf16, grouped, workers))
    return found


def rounds(workload: Workload, best: Setting, store: PhotoStore) -> dict[str, Figure]:
    """Measure all systems in turns, for several rounds, and return the pairs per second of each."""
    ungrouped = Setting(best.attention, best.bf16, grouped=False, workers=best.workers)
    turns: dict[str, tuple[str, Callable[[Size], float], Size]] = {
        "ours": ("bibert, Vitrine", lambda size: ours.pairs_per_second(workload, "bibert", size), ROUND),
        "peer": (
            f"bibert, sentence-transformers ({best})",
            lambda size: peer_bibert(workload, size, best),
            ROUND,
        ),
        "same tower": (
            "bibert, sentence-transformers on Vitrine's own tower",
            lambda size: peer_sides(workload, "bibert", size, ungrouped),
            ROUND,
        ),
        "looked up": (
            "4tmm-mlp, Vitrine, vectors looked up",
            lambda size: ours.pairs_per_second(workload, "4tmm-mlp", size),
            LONG,
        ),
        "live": (
            "4tmm-mlp, Vitrine, frozen towers run in every step",
            lambda size: ours.pairs_per_second(workload, "4tmm-mlp", size, live=True),
            TRIAL,
        ),
        "peer live": (
            "4tmm-mlp, sentence-transformers, frozen towers run in every step",
            lambda size: peer_sides(workload, "4tmm-mlp", size, ungrouped, store),
            TRIAL,
        ),
    }
    rates: dict[str, list[float]] = {key: [] for key in turns}
    for seed in range(ROUNDS):
        for key, (name, measure, size) in turns.items():
            rates[key].append(measure(Size(size.batch_size, size.warmup, size.steps, seed)))
            print(f"round {seed + 1}, {name}: {rates[key][-1]:,.0f} pairs/s", flush=True)
    return {key: Figure(name, "pairs/s", tuple(rates[key])) for key, (name, _, _) in turns.items()}


def peer_bibert(workload: Workload, size: Size, setting: Setting) -> float:
    """Return the pairs per second of sentence-transformers' trainer on transformers' BERT."""
    start = workload.start("bibert")
    query, product = start.model.query.spec.towers[0], start.model.product.spec.towers[0]
    model = bert_model(product, query.text.max_tokens, start.tokenizers["bibert"], setting.attention)  # type: ignore[union-attr,arg-type]
    pairs = workload.read_pairs(size)
    pairs = grouped_by_length(pairs, size) if setting.grouped else pairs
    columns = {"query": [pair.query for pair in pairs], "title": [pair.title for pair in pairs]}
    return pairs_per_second(model, columns, size, _learning_rate(workload, "bibert"), setting)


def peer_sides(workload: Workload, recipe: str, size: Size, setting: Setting, store: PhotoStore | None = None) -> float:
    """Return the pairs per second of sentence-transformers' trainer on a recipe's model, without a vector cache."""
    start = workload.start(recipe)
    mark_trainable(start.model.eval(), workload.recipe(recipe).train)
    model = SentenceTransformer(modules=[vitrine_sides(start.model, start.tokenizers, store)])
    pairs = workload.read_pairs(size)
    columns: Columns = {
        "query": [pair.query for pair in pairs],
        "product": [{"title": pair.title, "row": pair.row} for pair in pairs],
    }
    return pairs_per_second(model, columns, size, _learning_rate(workload, recipe), setting)


def vitrine_sides(
    model: Model, tokenizers: Mapping[TowerName, Tokenizer], store: PhotoStore | None = None
) -> VitrineSides:
    """Wrap a Vitrine model in a module of sentence-transformers."""
    return VitrineSides(
        model,
        {QUERY: side_tokenizers(model.query, tokenizers), PRODUCT: side_tokenizers(model.product, tokenizers)},
        store,
    )


def _learning_rate(workload: Workload, recipe: str) -> float:
    optimisation = workload.recipe(recipe).optimisation
    assert optimisation is not None
    return optimisation.learning_rate


def _with_encoding(workload: Workload, looked_up: Figure, encoding: Figure) -> Figure:
    """Return the pairs per second of a whole fit of the recipe, with the time of encoding included."""
    optimisation = workload.recipe("4tmm-mlp").optimisation
    assert optimisation is not None
    visited = optimisation.steps(len(workload.pairs)) * optimisation.batch_size
    rates = tuple(visited / (visited / rate + encoding.median) for rate in looked_up.values)
    return Figure(f"4tmm-mlp, Vitrine, encoding spread over one fit's {visited:,} pairs", "pairs/s", rates)


def _targets(figures: dict[str, Figure]) -> list[Target]:
    bibert = figures["ours"].median / figures["peer"].median
    fused = figures["looked up"].median / figures["peer live"].median
    return [
        Target("bibert, against sentence-transformers", "at least", 1.3, bibert, "times"),
        Target("4tmm-mlp on cached towers, against sentence-transformers", "at least", 10.0, fused, "times"),
    ]


def _setting(workload: Workload, best: Setting) -> str:
    return (
        f"pairs a second of training, {BATCH} pairs a batch, {torch.get_num_threads()} threads, from a sample shop of "
        f"{len(workload.data.catalog.titles):,} products and {len(workload.pairs):,} pairs. "
        f"sentence-transformers at the fastest of the settings tried: {best}."
    )


if __name__ == "__main__":
    sys.exit(main())
