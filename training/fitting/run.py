"""A Lightning run: steps in spans, a checkpoint after each span, and resumption from the last checkpoint."""

import logging
import warnings
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import DDPStrategy
from torch.multiprocessing.spawn import ProcessRaisedException
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from training.batches.pairs import Batch, BatchPlan
from training.errors import FitError
from training.fitting.curves import Curves
from training.fitting.module import RetrievalModule

# A checkpoint is written after so many steps; a fit that is killed repeats at most these.
STEPS_PER_SPAN = 100
CURVES = "curves"  # folder of the event files, in the work folder


def run(module: RetrievalModule, plan: BatchPlan, work: Path, seed: int, devices: int = 1) -> None:
    """Fit a module to the batches of a plan, resuming from the last checkpoint in `work` if there is one.

    The run is a sequence of spans (Lightning's epochs). Batches and random numbers of a span depend only on the
    seed, the span's number and the process's rank, so that a resumed run ends with the weights of an uninterrupted one.

    Several devices share each batch of the plan (training/objective/gather.py): as many GPUs where there are GPUs,
    otherwise processes. They start and end within this call, and the module in this process gets the weights.

    Raises:
        FitError: the loss became infinite or not a number.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    last = work / "last.ckpt"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")  # advice on logging and data workers
        try:
            _trainer(plan.steps, work, devices).fit(
                module,
                datamodule=_Spans(plan, seed),
                ckpt_path=last if last.is_file() else None,
                weights_only=True,
            )
        except ProcessRaisedException as error:
            raise _in_this_process(error) from error


def check_devices(devices: int) -> None:
    """Refuse more devices than there are GPUs; where there is none, devices are processes.

    Raises:
        FitError: there are too few GPUs.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else None
    if gpus is not None and gpus < devices:
        raise FitError(f"--devices {devices} asks for more GPUs than the {gpus} that there are; lower it")


def _trainer(steps: int, work: Path, devices: int) -> lightning.Trainer:
    checkpoint = ModelCheckpoint(dirpath=work, filename="last", save_top_k=1, enable_version_counter=False)
    return lightning.Trainer(
        max_epochs=-(-steps // STEPS_PER_SPAN),
        accelerator="auto",
        devices=devices,
        strategy=DDPStrategy(start_method="spawn") if devices > 1 else "auto",
        use_distributed_sampler=False,  # every process takes the whole plan, and its share of each batch
        precision=best_precision(),
        callbacks=[checkpoint, Curves(work / CURVES), _ProgressBar(steps)],
        reload_dataloaders_every_n_epochs=1,
        default_root_dir=work,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _in_this_process(error: ProcessRaisedException) -> Exception:
    """Return the FitError that another process raised, read from its traceback's last line; or the error itself."""
    name, _, sentence = str(error).strip().splitlines()[-1].partition(": ")
    return FitError(sentence) if name == f"{FitError.__module__}.{FitError.__qualname__}" else error


def best_precision() -> Any:
    """Return Lightning's precision: bfloat16 mixed where the hardware computes in it, otherwise float32."""
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
        """Return the loader of the span that begins now, and seed its random numbers."""
        assert self.trainer is not None
        span = self.trainer.current_epoch
        torch.manual_seed((self._seed * 1_000_003 + span) + 1_000_000_007 * self.trainer.global_rank)
        first = span * STEPS_PER_SPAN
        steps = range(first, min(first + STEPS_PER_SPAN, self._plan.steps))
        return DataLoader(_PlannedBatches(self._plan, steps), batch_size=None, shuffle=False)


class _PlannedBatches(Dataset[Batch]):
    """The batches of a span, by their position in it."""

    def __init__(self, plan: BatchPlan, steps: range) -> None:
        self._plan = plan
        self._steps = steps

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, position: int) -> Batch:
        return self._plan.batch(self._steps[position])


class _ProgressBar(lightning.Callback):
    """A progress bar over all steps of the run, with loss and temperature."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._bar: Any = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        hidden = None if trainer.is_global_zero else True  # None: hidden where there is no terminal
        self._bar = tqdm(total=self._steps, initial=trainer.global_step, desc="fit", unit="step", disable=hidden)

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
