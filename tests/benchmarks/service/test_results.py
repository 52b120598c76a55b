"""That targets hold the worst of the swaps against the steady state, and ratios the right way round."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.service.load import Load, Requests
from benchmarks.service.measurements import Against, Others, Whole
from benchmarks.service.memory import Swapped
from benchmarks.service.recall import Recalled
from benchmarks.service.results import memory_target, others_targets, swap_targets, whole_figures, whole_targets
from benchmarks.service.servers import Server
from benchmarks.service.stages import STAGES, Stages
from benchmarks.service.steady import Phase, SwapsUnderLoad
from benchmarks.service.turns import BARE, BY_HAND, OURS, TXTAI, Measured, Turn

SERVER = Server("http://127.0.0.1:1", 1, Path("log"))


def measured(name: str, per_s: list[int], connections: int = 32) -> Measured:
    loads = [Load(requests=n, seconds=1, failed=0, mean_ms=3, p50_ms=n / 1000, p99_ms=n / 100) for n in per_s]
    return Measured(Turn(name, SERVER, Requests(Path("posts"), 9), connections), tuple(loads))


def phase(latency_ms: list[float], gap_ms: float, lost: int = 0) -> Phase:
    return Phase(seconds=1, latency_ms=tuple(latency_ms), longest_gap_ms=gap_ms, lost=lost)


@pytest.fixture
def whole() -> Whole:
    stages = Stages(32, 10.0, dict.fromkeys(STAGES, 1.0), 5.0, 8.0, 1.5)
    swaps = (phase([1, 2, 6], 40), phase([2, 3, 9], 120, lost=2))
    return Whole(
        against=Against(ours=measured(OURS, [900, 1000, 3000]), bare=measured(BARE, [4000, 5000, 6000])),
        alone=measured(OURS, [2000], 1),
        recalled=Recalled(tolerant=0.991, strict=0.98, queries=500),
        stages=(replace(stages, connections=1), stages),
        swaps=SwapsUnderLoad(steady=phase([3, 3, 3], 10, lost=1), swaps=swaps, swap_s=(4.0, 5.0)),
        swap_per_s=300,
    )


def test_all_products(whole: Whole) -> None:
    targets = whole_targets("all", whole)
    assert [target.measured for target in targets] == pytest.approx([0.991, 0.2, 0.2, 10.0, 2.0])
    assert [target.met for target in targets] == [True, True, False, True, True]
    names = [figure.name for figure in whole_figures("all", whole)]
    assert len(names) == len(set(names)) and "all: 300/s, p99 of each swap" in names


def test_the_worst_swap_counts(whole: Whole) -> None:
    p99, gap, lost = swap_targets("all", whole)
    assert p99.measured == pytest.approx(8.88 / 3, abs=0.01) and not p99.met
    assert gap.measured == 120 and not gap.met
    assert lost.measured == 3 and not lost.met


def test_how_many_times_the_others() -> None:
    rates = {OURS: [3000], BY_HAND: [100], TXTAI: [1000]}
    others = Others({name: measured(name, per_s) for name, per_s in rates.items()}, {BY_HAND: 1.0, TXTAI: 0.9})
    assert [(target.measured, target.met) for target in others_targets("some", others)] == [(30, True), (3, False)]


def test_memory_that_grows() -> None:
    assert memory_target("some", Swapped((1, 1, 1.04), (1, 1, 1))).met
    assert not memory_target("some", Swapped((9, 1, 1.06), (1, 1, 1))).met
