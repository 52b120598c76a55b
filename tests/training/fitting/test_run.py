"""Runs of a tiny model: killed and resumed, their curves, diverging, in chunks."""

import math
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer
from torch import Tensor
from torch.multiprocessing.spawn import ProcessRaisedException

from tests.training.tiny_run import tiny_module, tiny_plan
from training.batches.pairs import Batch, BatchPlan
from training.errors import FitError
from training.fitting import curves as curves_module
from training.fitting import run as run_module
from training.fitting.module import RetrievalModule
from training.fitting.run import CURVES, check_devices, run

STEPS, SPAN, POINT = 8, 3, 2
Points = dict[str, list[tuple[int, float]]]  # step and value by curve


class Killed(BaseException):
    """Stands for whatever ends a run from outside."""


def shorten(patch: pytest.MonkeyPatch) -> None:
    """Make spans and the distances between points fit a run of STEPS."""
    patch.setattr(run_module, "STEPS_PER_SPAN", SPAN)
    patch.setattr(curves_module, "STEPS_PER_POINT", POINT)


@pytest.fixture(autouse=True)
def short_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)
    # TensorBoard reads files by name; runs within one second differ by this number, whose digits must not grow.
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(1000))


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The losses of all steps that are taken."""
    seen: list[float] = []
    step = RetrievalModule.training_step

    def watched(self: RetrievalModule, batch: Batch, batch_index: int) -> Tensor:
        loss = step(self, batch, batch_index)
        seen.append(float(loss.detach()))
        return loss

    monkeypatch.setattr(RetrievalModule, "training_step", watched)
    yield seen


def fitted(work: Path, **options: object) -> RetrievalModule:
    module = tiny_module(STEPS, **options)
    run(module, tiny_plan(STEPS), work, seed=3)
    return module


def points(work: Path) -> Points:
    """What TensorBoard shows."""
    events = EventAccumulator(str(work / CURVES)).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def kill_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = BatchPlan.batch

    def killed(self: BatchPlan, number: int) -> Batch:
        if number == step:
            raise Killed
        return batch(self, number)

    monkeypatch.setattr(BatchPlan, "batch", killed)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], Points]:
    """Weights and curves of a run that nothing interrupts."""
    work = tmp_path_factory.mktemp("unbroken")
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        return fitted(work).state_dict(), points(work)


@pytest.mark.parametrize("step", range(STEPS))
def test_a_run_that_is_killed_at_any_step_ends_as_an_unbroken_one(
    step: int, unbroken: tuple[dict[str, Tensor], Points], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(step, patch)
        with pytest.raises(Killed):
            fitted(tmp_path)
    weights, curves = unbroken
    resumed = fitted(tmp_path).state_dict()
    assert all(torch.equal(resumed[name], tensor) for name, tensor in weights.items())
    assert points(tmp_path) == curves


def test_curves_show_the_mean_loss_the_temperature_and_the_learning_rate(tmp_path: Path, losses: list[float]) -> None:
    module = fitted(tmp_path)
    found = points(tmp_path)
    # Every POINT steps, and at the end of each span.
    steps = [2, 3, 4, 6, 8]
    assert {name: [step for step, _ in curve] for name, curve in found.items()} == dict.fromkeys(
        ("loss", "temperature", "learning_rate"), steps
    )
    for (step, loss), before in zip(found["loss"], [0, *steps], strict=False):
        assert loss == pytest.approx(sum(losses[before:step]) / (step - before), rel=1e-5)
    for step, rate in found["learning_rate"]:  # one step of warm-up, then half a cosine
        assert rate == pytest.approx(0.01 * 0.5 * (1 + math.cos(math.pi * (step - 1) / (STEPS - 1))), abs=1e-6)
    assert found["temperature"][-1][1] == pytest.approx(float(module.temperature.detach()), rel=1e-6)
    assert found["temperature"][0][1] != found["temperature"][-1][1]


def test_a_fit_that_diverges_stops_with_the_step(tmp_path: Path, losses: list[float]) -> None:
    with pytest.raises(FitError) as caught:
        fitted(tmp_path, learning_rate=1e30, warmup_share=0.5)
    bad = next(number for number, loss in enumerate(losses, start=1) if not math.isfinite(loss))
    assert str(caught.value) == (
        f"the loss was nan at step {bad}: the fit diverged; lower learning_rate or raise temperature in the recipe"
    )
    assert not list(tmp_path.glob("*.ckpt"))


@pytest.mark.parametrize(("precision", "tolerance"), [("32-true", 1e-5), ("bf16-mixed", 0.03)])
@pytest.mark.parametrize("symmetric", [False, True])
def test_a_run_in_chunks_has_the_losses_of_one_without(
    precision: str,
    tolerance: float,
    symmetric: bool,
    tmp_path: Path,
    losses: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_module, "best_precision", lambda: precision)
    fitted(tmp_path / "whole", symmetric=symmetric)
    fitted(tmp_path / "chunks", symmetric=symmetric, chunk_size=2)
    assert losses[:STEPS] == pytest.approx(losses[STEPS:], rel=tolerance)
    assert losses[STEPS - 1] < losses[0]


@pytest.mark.parametrize(
    ("error", "expected"),
    [(FitError("the loss was nan: at step 3"), FitError), (RuntimeError("out of memory"), ProcessRaisedException)],
)
def test_errors_of_other_processes_come_back(error: Exception, expected: type[Exception]) -> None:
    try:
        raise error
    except Exception:
        text = f"\n\n-- Process 1 terminated with the following error:\n{traceback.format_exc()}"
    here = run_module._in_this_process(ProcessRaisedException(text, error_index=1, error_pid=2))
    assert type(here) is expected
    assert str(here) == (str(error) if expected is FitError else text)


def test_more_devices_than_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_devices(2)
    with pytest.raises(FitError, match=r"^--devices 3 asks for more GPUs than the 2 that there are; lower it$"):
        check_devices(3)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    check_devices(3)  # processes
