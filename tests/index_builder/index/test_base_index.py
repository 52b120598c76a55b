"""Which index an update gets: that of its base version, as far as nothing else is asked for and it fits."""

from pathlib import Path
from typing import Any

import pytest

from artifacts.checksums import FileRecord
from artifacts.manifest import IndexDescription
from index_builder.core.errors import BuildError
from index_builder.index.base_index import BaseIndex, IndexChanges, IndexPlan, plan_after
from index_builder.index.indexing import AUTO, IndexRequest


def base_index(**values: Any) -> BaseIndex:
    description = IndexDescription(
        **{
            "factory": "IVF4,SQ8", "nprobe": 2, "k_factor": None, "target_recall": 0.9, "recall_at_100": 0.95,
            "reached_target": True, "measured_queries": 10, "measured_with": "titles", "curve": (),
        }
        | values
    )  # fmt: skip
    return BaseIndex(Path("index.faiss"), FileRecord(sha256="0" * 64, size_bytes=1_000_000), description, 1_000)


def planned(base: BaseIndex, count: int = 1_000, **changes: Any) -> tuple[IndexPlan, list[str]]:
    told: list[str] = []
    return plan_after(base, IndexChanges(**changes), count, told.append), told


def test_all_is_taken_over() -> None:
    named, chosen = base_index(), base_index(memory_budget_bytes=2_000_000, built_for="cuda")
    assert planned(named) == (IndexPlan(IndexRequest("IVF4,SQ8", 0.9), named), [])
    assert planned(chosen) == (IndexPlan(IndexRequest(AUTO, 0.9, "cuda", 2_000_000), chosen), [])
    assert planned(named, target_recall=0.8) == (IndexPlan(IndexRequest("IVF4,SQ8", 0.8), named), [])


@pytest.mark.parametrize(
    ("changes", "request_"),
    [
        ({"index": "Flat"}, IndexRequest("Flat", 0.9)),
        ({"index": AUTO, "memory_budget_bytes": 5}, IndexRequest(AUTO, 0.9, memory_budget_bytes=5)),
        ({"device": "cuda", "gpu": 1}, IndexRequest(AUTO, 0.9, "cuda", gpu=1)),
    ],
)
def test_what_is_asked_for_is_chosen_anew(changes: dict[str, Any], request_: IndexRequest) -> None:
    assert planned(base_index(), **changes) == (IndexPlan(request_), [])


def test_a_type_that_outgrew_its_memory_is_chosen_again() -> None:
    base = base_index(memory_budget_bytes=1_500_000)
    assert planned(base, 1_499)[0].base is base
    plan, told = planned(base, 1_501)
    assert plan == IndexPlan(IndexRequest(AUTO, 0.9, memory_budget_bytes=1_500_000))
    assert told == [
        "IVF4,SQ8 takes 0.0015 GB for 1,501 products, more than the budget of 0.0015 GB: the type is chosen again"
    ]
    assert planned(base_index(), 1_501, memory_budget_bytes=10**6)[0].request.index == AUTO


@pytest.mark.parametrize(("count", "says_so"), [(1_000, True), (2_000, False), (8_000, False), (8_001, True)])
def test_a_shop_that_grew_is_told(count: int, says_so: bool) -> None:
    """Counted from the products that the type was chosen for, by however many updates."""
    base = base_index(chosen_count=4_000)
    plan, told = planned(base, count)
    assert plan.base is base
    assert [("was chosen for 4,000 products, and now there are" in line) for line in told] == [True] * says_so


def test_a_target_out_of_range_is_refused() -> None:
    with pytest.raises(BuildError, match="target recall: expected a number above 0"):
        planned(base_index(), target_recall=1.5)


def test_the_memory_of_another_device_is_another() -> None:
    """Half the memory of a machine says nothing of a GPU's."""
    base = base_index(memory_budget_bytes=2_000_000)
    assert planned(base, device="cuda")[0].request == IndexRequest(AUTO, 0.9, "cuda")
    assert planned(base, device="cuda", memory_budget_bytes=5)[0].request.memory_budget_bytes == 5
    assert planned(base, device="cpu")[0].request == IndexRequest(AUTO, 0.9, "cpu", 2_000_000)
