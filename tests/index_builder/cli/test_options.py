"""Options that several commands have."""

import math
from collections.abc import Callable

import pytest

import knn
from index_builder.cli.options import BuildOptions, UpdateOptions
from index_builder.core.errors import OptionError


@pytest.mark.parametrize(
    ("device", "expected"),
    [("cpu", ("cpu", 0)), ("cuda", ("cuda", 0)), ("cuda:0", ("cuda", 0)), ("cuda:1", ("cuda", 1))],
)
def test_devices(monkeypatch: pytest.MonkeyPatch, device: str, expected: tuple[str, int]) -> None:
    monkeypatch.setattr(knn, "gpu_count", lambda: 2)
    request = BuildOptions(device=device).index_request()
    assert (request.device, request.gpu) == expected


@pytest.mark.parametrize(
    ("device", "fault"),
    [
        ("cuda:2", "--device is 'cuda:2': this machine has 2 GPUs that can be used, numbered from cuda:0"),
        ("cuda:", "--device is 'cuda:': expected cpu, cuda, or a GPU of this machine such as cuda:1"),
        ("tpu", "--device is 'tpu': expected cpu, cuda, or a GPU of this machine such as cuda:1"),
    ],
)
def test_what_is_no_device(monkeypatch: pytest.MonkeyPatch, device: str, fault: str) -> None:
    monkeypatch.setattr(knn, "gpu_count", lambda: 2)
    with pytest.raises(OptionError) as caught:
        BuildOptions(device=device).index_request()
    assert str(caught.value) == fault


def test_the_device_that_encodes_goes_with_the_local_engine() -> None:
    with pytest.raises(OptionError, match=r"^--encoding-device goes with --engine local"):
        BuildOptions(engine="ray", encoding_device="cuda:1").encoding_options(lambda line: None)
    with pytest.raises(OptionError, match=r"^--encoding-device is 'cuda:9': expected auto, cpu, cuda or one of the "):
        BuildOptions(encoding_device="cuda:9").encoding_options(lambda line: None)


@pytest.mark.parametrize("budget", [math.nan, math.inf, 0.0, -1.0])
@pytest.mark.parametrize(
    "make",
    [
        lambda budget: BuildOptions(memory_budget=budget).index_request(),
        lambda budget: UpdateOptions(memory_budget=budget).index_changes(),
    ],
)
def test_a_budget_that_is_none(make: Callable[[float], object], budget: float) -> None:
    with pytest.raises(OptionError, match=rf"^--memory-budget is {budget:g}: expected a number of GB above 0$"):
        make(budget)
