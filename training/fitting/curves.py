"""The curves of a fit, written for TensorBoard during the fit, and the check that every loss is finite."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from training.batches.pairs import Batch
from training.errors import FitError
from training.fitting.module import RetrievalModule

STEPS_PER_POINT = 10


class Curves(lightning.Callback):
    """Callback that writes loss (the mean since the last point), temperature and learning rate.

    It writes every STEPS_PER_POINT steps and fetches losses from the device only then, so that the other steps need
    not wait for them. A resumed fit continues at its checkpoint: points written after the checkpoint are purged.

    Args:
        folder: where the event files are written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: SummaryWriter | None = None
        self._losses: list[Tensor] = []  # one for each step since the last point

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Open the event file, in the first process only."""
        if trainer.is_global_zero:
            self._writer = SummaryWriter(self._folder, purge_step=trainer.global_step + 1)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Keep the loss, and write a point when one is due."""
        self._losses.append(outputs["loss"].detach())
        if trainer.global_step % STEPS_PER_POINT == 0:
            self._write(trainer, pl_module)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Check and write the remaining losses before the span's checkpoint is written."""
        if self._losses:
            self._write(trainer, pl_module)
        if self._writer:
            self._writer.flush()

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Close the event file."""
        if self._writer:
            self._writer.close()

    def _write(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        assert isinstance(module, RetrievalModule)
        losses = trainer.strategy.reduce(torch.stack(self._losses), reduce_op="mean").cpu()
        first = trainer.global_step - len(self._losses) + 1
        self._losses = []
        _check(losses, first)
        if self._writer:
            points = {
                "loss": float(losses.mean()),
                "temperature": float(module.temperature.detach()),
                "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],  # of the next step
            }
            for name, value in points.items():
                self._writer.add_scalar(name, value, trainer.global_step)


@dataclass(frozen=True)
class CurveFiles:
    """The event files of a finished fit."""

    folder: Path
    steps: int  # how many the fit took


def write_last_point(curves: CurveFiles, values: dict[str, float]) -> None:
    """Add values that were measured after the last step."""
    with SummaryWriter(curves.folder) as writer:
        for name, value in values.items():
            writer.add_scalar(name, value, curves.steps)


def _check(losses: Tensor, first_step: int) -> None:
    bad = (~losses.isfinite()).nonzero()
    if len(bad):
        position = int(bad[0])
        raise FitError(
            f"the loss was {float(losses[position])} at step {first_step + position}: the fit diverged; "
            "lower learning_rate or raise temperature in the recipe"
        )
