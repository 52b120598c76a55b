"""The LightningModule: connects sides, sources and loss, and sets up the optimiser and its schedule."""

import dataclasses
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from towers.model import Model, Side
from training.batches.judged import JudgedBatch
from training.batches.pairs import Batch
from training.batches.sources import TowerSource
from training.model.lora import freeze_all_but_adapters, has_adapters
from training.objective.gather import gather, share_of_pairs, share_of_rows
from training.objective.graded import graded_loss
from training.objective.gradient_cache import encode_in_chunks
from training.objective.nt_xent import EncodedBatch, nt_xent, symmetric_nt_xent
from training.recipes.recipe import Optimisation, Part

_MIN_TEMPERATURE = 0.01  # a learned temperature never falls below this, as in CLIP


class RetrievalModule(lightning.LightningModule):
    """Fits the trainable parts of a model to pairs of queries and products.

    Args:
        model: the model with its starting weights.
        sources: for each side ("query", "product") and tower, where the tower's vectors come from.
        train: the parts to train.
        scratch: the parts that start from random weights.
        optimisation: learning rates, schedule and temperature.
        steps: number of steps of the whole run.
    """

    def __init__(
        self,
        model: Model,
        sources: Mapping[str, Mapping[str, TowerSource]],
        train: tuple[Part, ...],
        scratch: frozenset[Part],
        optimisation: Optimisation,
        steps: int,
    ) -> None:
        super().__init__()
        self.model = model
        self.log_temperature = nn.Parameter(
            torch.tensor(math.log(optimisation.temperature)), requires_grad=optimisation.learned_temperature
        )
        self._sources = sources
        self._scratch = scratch
        self._optimisation = optimisation
        self._steps = steps
        mark_trainable(model, train)

    @property
    def temperature(self) -> Tensor:
        """The temperature tau."""
        return self.log_temperature.exp().clamp(min=_MIN_TEMPERATURE)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the loss over this process's pairs of a batch, against the products of all processes."""
        share = share_of_pairs(len(batch.queries))
        # A query that occurs in several pairs is encoded once.
        distinct, position = batch.queries[share].unique(return_inverse=True)  # type: ignore[no-untyped-call]
        queries = self._encode(self.model.query, "query", distinct)[position.to(self.device)]
        products = self._encode(self.model.product, "product", share_of_rows(batch.products))
        with torch.autocast(self.device.type, enabled=False):  # the loss is always taken in float32
            loss = self._loss(batch, queries.float(), gather(products.float())[: len(batch.products)], share)
        return loss if batch.judged is None else loss + self._graded_loss(batch.judged)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Return the batch on a device; row numbers stay on the CPU, where their texts and photos are."""
        names = ("positives", "known", "counts", "seen", "popularity")
        judged = batch.judged and dataclasses.replace(
            batch.judged, places=batch.judged.places.to(device), grades=batch.judged.grades.to(device)
        )
        moved = {name: getattr(batch, name).to(device) for name in names}
        return dataclasses.replace(batch, judged=judged, **moved)

    def configure_optimizers(self) -> Any:
        """Return Adam (paper, section 4.2), or AdamW if weights decay, with warm-up and cosine decay by steps."""
        chosen = self._optimisation
        kind = torch.optim.AdamW if chosen.weight_decay else torch.optim.Adam
        optimizer = kind(
            self._parameter_groups(), lr=chosen.learning_rate, weight_decay=chosen.weight_decay, fused=True
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _encode(self, side: Side, name: str, rows: Tensor) -> Tensor:
        return encode_in_chunks(partial(self._vectors, side, name), rows, self._optimisation.chunk_size)

    def _vectors(self, side: Side, name: str, rows: Tensor) -> Tensor:
        sources = self._sources[name]
        return side.fuse({tower: source.vectors(side, tower, rows) for tower, source in sources.items()})

    def _loss(self, batch: Batch, queries: Tensor, products: Tensor, share: slice) -> Tensor:
        """Return the recipe's loss, given the vectors of the share's queries and of all products."""
        symmetric = self._optimisation.symmetric
        pairs = slice(None) if symmetric else share  # the symmetric loss needs the queries of all processes
        encoded = EncodedBatch(
            queries=gather(queries) if symmetric else queries,
            products=products,
            positives=batch.positives[pairs],
            known=batch.known[pairs],
            weights=negative_weights(batch, self._optimisation),
            corrections=self._optimisation.popularity * batch.popularity.log(),
        )
        if symmetric:
            return symmetric_nt_xent(encoded, temperature=self.temperature, share=share)
        return nt_xent(encoded, temperature=self.temperature)

    def _graded_loss(self, judged: JudgedBatch) -> Tensor:
        """Return the weighted loss over judged products; several processes each take all of them."""
        assert self._optimisation.judgments is not None
        queries = self._encode(self.model.query, "query", judged.queries)
        products = self._encode(self.model.product, "product", judged.products)[judged.places]
        with torch.autocast(self.device.type, enabled=False):
            loss = graded_loss(queries.float(), products.float(), judged.grades, temperature=self.temperature)
        return self._optimisation.judgments.weight * loss

    def _rate(self, step: int) -> float:
        warmup = max(1, round(self._steps * self._optimisation.warmup_share))
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, self._steps - warmup)))

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """Group the parameters by learning rate: parts from scratch, and the others with `tower_learning_rate`."""
        fresh: list[nn.Parameter] = [self.log_temperature] if self.log_temperature.requires_grad else []
        fitted: list[nn.Parameter] = []
        for part, parameters in parameters_by_part(self.model).items():
            trainable = [parameter for parameter in parameters if parameter.requires_grad]
            (fresh if part in self._scratch else fitted).extend(trainable)
        rate = self._optimisation.tower_learning_rate or self._optimisation.learning_rate
        groups: list[dict[str, Any]] = [{"params": fresh}, {"params": fitted, "lr": rate}]
        return [group for group in groups if group["params"]]


def negative_weights(batch: Batch, optimisation: Optimisation) -> Tensor:
    """Return how many times each product counts where it is a negative, (n,)."""
    weights = batch.counts if optimisation.repeated_products == "each" else torch.ones_like(batch.counts)
    return weights.masked_fill(batch.seen, optimisation.seen_negative_weight)


def parameters_by_part(model: Model) -> dict[Part, list[nn.Parameter]]:
    """Return a model's parameters by the part that a recipe names; those that both sides share are listed once."""
    parts: dict[Part, dict[int, nn.Parameter]] = {"bibert": {}, "clip": {}, "fusion": {}}
    for side in (model.query, model.product):
        modules: list[tuple[Part, nn.Module]] = [("fusion", side.fusion)]
        modules += [(tower.name, side.towers[tower.name]) for tower in side.spec.towers]
        for part, module in modules:
            parts[part].update((id(parameter), parameter) for parameter in module.parameters())
    return {part: list(parameters.values()) for part, parameters in parts.items()}


def mark_trainable(model: Model, train: tuple[Part, ...]) -> None:
    """Make the named parts trainable, or their adapters alone where they have some, and freeze everything else.

    Parts that are not named are put in evaluation mode.
    """
    for part, parameters in parameters_by_part(model).items():
        for parameter in parameters:
            parameter.requires_grad_(part in train)
    for side in (model.query, model.product):
        side.fusion.train("fusion" in train)
        for name, tower in side.towers.items():
            tower.train(name in train)
            if has_adapters(tower):
                freeze_all_but_adapters(tower)
