"""One Lightning run: steps in spans, a checkpoint after each, and resumption where a kill left off."""

import logging
import warnings
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from training.module import RetrievalModule
from training.pairs import Batch, BatchPlan

# A checkpoint is written every so many steps; a kill costs at most these.
STEPS_PER_SPAN = 100


def run(module: RetrievalModule, plan: BatchPlan, work: Path, seed: int) -> None:
    """Fit the module by the plan, going on from the last checkpoint in `work` if there is one.

    The run is a chain of spans (Lightning's epochs). Batches and random numbers of a span depend on
    nothing but the seed and its number, so that a resumed run ends with the weights of an unbroken one.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    spans = -(-plan.steps // STEPS_PER_SPAN)
    checkpoint = ModelCheckpoint(dirpath=work, filename="last", save_top_k=1, enable_version_counter=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")  # advice on logging and data workers
        trainer = lightning.Trainer(
            max_epochs=spans,
            accelerator="auto",
            devices=1,
            precision=best_precision(),
            callbacks=[checkpoint, _ProgressBar(plan.steps)],
            reload_dataloaders_every_n_epochs=1,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        last = work / "last.ckpt"
        trainer.fit(
            module,
            datamodule=_Spans(plan, seed),
            ckpt_path=last if last.is_file() else None,
            weights_only=True,
        )


def best_precision() -> Any:
    """bfloat16 mixed precision where the machine computes in it, otherwise float32."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    capabilities = torch.cpu.get_capabilities()
    has_bf16 = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return "bf16-mixed" if has_bf16 else "32-true"


class _Spans(lightning.LightningDataModule):
    """The batches of the current span."""

    def __init__(self, plan: BatchPlan, seed: int) -> None:
        super().__init__()
        self._plan = plan
        self._seed = seed

    def train_dataloader(self) -> DataLoader[Batch]:
        """Loader of the span that begins now."""
        assert self.trainer is not None
        span = self.trainer.current_epoch
        torch.manual_seed(self._seed * 1_000_003 + span)
        first = span * STEPS_PER_SPAN
        steps = range(first, min(first + STEPS_PER_SPAN, self._plan.steps))
        return DataLoader(_PlannedBatches(self._plan, steps), batch_size=None, shuffle=False)


class _PlannedBatches(Dataset[Batch]):
    """Batches of a plan by their number in a span."""

    def __init__(self, plan: BatchPlan, steps: range) -> None:
        self._plan = plan
        self._steps = steps

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, position: int) -> Batch:
        return self._plan.batch(self._steps[position])


class _ProgressBar(lightning.Callback):
    """One bar over all steps of the run, with loss and temperature."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._bar: Any = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._bar = tqdm(total=self._steps, initial=trainer.global_step, desc="fit", unit="step", disable=None)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        self._bar.update(1)
        if batch_idx % 10 == 0:
            loss = float(outputs["loss"].detach())
            assert isinstance(pl_module, RetrievalModule)
            self._bar.set_postfix(loss=f"{loss:.3f}", tau=f"{float(pl_module.temperature.detach()):.4f}")

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._bar.close()
