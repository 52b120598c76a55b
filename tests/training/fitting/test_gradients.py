"""Batches encoded in parts: by two processes, in chunks, or both. Loss and gradients are those of the whole."""

from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from tests.support.fork_server import FORK_SERVER
from tests.training.tiny_run import tiny_module, tiny_plan
from training.batches.pairs import Batch
from training.fitting.module import RetrievalModule
from training.objective.gradient_cache import encode_in_chunks, has_batch_statistics


def batch() -> Batch:
    """Six pairs: a query and a product that stand twice, and seen negatives."""
    return tiny_plan(1).batch(0)


def module_with(symmetric: bool, chunk_size: int | None) -> RetrievalModule:
    return tiny_module(symmetric=symmetric, chunk_size=chunk_size, seen_negative_weight=2.5, popularity=0.5)


def gradients(module: nn.Module) -> dict[str, Tensor]:
    return {
        name.removeprefix("module.step_of."): parameter.grad
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }


class Step(nn.Module):
    """What Lightning's ddp strategy does: a forward pass is a training step."""

    def __init__(self, module: RetrievalModule) -> None:
        super().__init__()
        self.step_of = module

    def forward(self, batch: Batch) -> Tensor:
        return self.step_of.training_step(batch, 0)


CASES = [(False, None), (True, None), (True, 2)]  # symmetric, chunk_size


def one_of_two(rank: int, out: str) -> None:
    """A process of two: backward through its share, averaged by DistributedDataParallel, for each case."""
    torch.set_num_threads(1)
    meeting = f"file://{out}.meeting"  # a file, not a port, which another process could take
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=timedelta(minutes=2))
    for number, (symmetric, chunk_size) in enumerate(CASES):
        step = DistributedDataParallel(Step(module_with(symmetric, chunk_size)))
        loss = step(batch())
        loss.backward()
        mean = loss.detach() / 2
        dist.all_reduce(mean)
        save_file({"loss": mean, **gradients(step)}, f"{out}.{number}.{rank}")
    dist.destroy_process_group()


def whole(symmetric: bool) -> dict[str, Tensor]:
    """Loss and gradients of one process that encodes the whole batch at once."""
    module = module_with(symmetric, None)
    loss = module.training_step(batch(), 0)
    loss.backward()
    return {"loss": loss.detach(), **gradients(module)}


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert set(found) == set(expected) and len(found) > 10
    assert any(float(expected[name].abs().max()) > 1e-3 for name in expected if name.endswith("hidden.weight"))
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-6, rtol=1e-4, msg=lambda text, name=name: name + text)


@pytest.mark.integration
def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    out = str(tmp_path / "gradients")
    processes = [FORK_SERVER.Process(target=one_of_two, args=(rank, out)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(250)
    assert [process.exitcode for process in processes] == [0, 0], "the tracebacks are above"
    for number, (symmetric, _) in enumerate(CASES):
        for rank in range(2):
            assert_same(load_file(f"{out}.{number}.{rank}"), whole(symmetric))


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("chunk_size", [1, 2, 3, 100])
def test_chunks_have_the_gradients_of_the_whole_batch(symmetric: bool, chunk_size: int) -> None:
    module = module_with(symmetric, chunk_size)
    loss = module.training_step(batch(), 0)
    loss.backward()
    assert_same({"loss": loss.detach(), **gradients(module)}, whole(symmetric))


def test_random_numbers_are_the_same_in_both_passes() -> None:
    weight = torch.ones(1, requires_grad=True)
    drawn: list[Tensor] = []

    def encode(rows: Tensor) -> Tensor:
        drawn.append(torch.rand(len(rows), 3))
        return drawn[-1] * weight * weight  # a second factor, so that the backward pass needs the first again

    torch.manual_seed(0)
    encode_in_chunks(encode, torch.arange(5), 2).sum().backward()
    assert len(drawn) == 6  # each chunk twice
    for first in drawn[:3]:
        assert sum(torch.equal(first, again) for again in drawn[3:]) == 1
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad[0], 2 * torch.cat(drawn[:3]).sum())


def test_no_activations_are_kept_until_the_backward_pass() -> None:
    kept: list[int] = []
    weight = torch.randn(4, 4, requires_grad=True)

    def encode(rows: Tensor) -> Tensor:
        return torch.nn.functional.gelu(rows.float()[:, None].expand(-1, 4) @ weight)

    def keep(tensor: Tensor) -> Tensor:
        kept.extend([tensor.numel()] if tensor.is_floating_point() else [])
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        encode_in_chunks(encode, torch.arange(8), 2)
    assert kept == []
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        encode_in_chunks(encode, torch.arange(8), None)
    assert sum(kept) >= 8 * 4


@pytest.mark.parametrize(("module", "depends"), [(nn.BatchNorm2d(2), True), (nn.LayerNorm(2), False)])
def test_batch_statistics_are_recognised(module: nn.Module, depends: bool) -> None:
    assert has_batch_statistics(nn.Sequential(nn.Linear(2, 2), module)) is depends
