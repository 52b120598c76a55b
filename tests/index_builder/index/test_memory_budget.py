"""How much memory an index may take when nobody says so."""

from pathlib import Path

import pytest
import torch

from index_builder.core.errors import OptionError
from index_builder.index import memory_budget as memory
from index_builder.index.memory_budget import memory_budget


def test_what_was_asked_for() -> None:
    assert memory_budget("cpu", 123) == memory_budget("cuda", 123) == 123


@pytest.mark.parametrize("budget_bytes", [0, -5])
def test_nothing_is_no_budget(budget_bytes: int) -> None:
    with pytest.raises(OptionError, match=f"^memory budget: expected more than 0 bytes, got {budget_bytes}$"):
        memory_budget("cpu", budget_bytes)


def test_half_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CGROUP_LIMITS", ())
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    assert memory_budget("cpu") == pytest.approx(int(total.split()[1]) * 1024 / 2, rel=0.01)


@pytest.mark.parametrize(("limit", "budget"), [("1000000\n", 500_000), ("max\n", None), (f"{1 << 62}\n", None)])
def test_a_container_has_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, budget: int | None) -> None:
    monkeypatch.setattr(memory, "_CGROUP_LIMITS", ())
    whole = memory_budget("cpu")
    (tmp_path / "limit").write_text(limit)
    monkeypatch.setattr(memory, "_CGROUP_LIMITS", (tmp_path / "limit", tmp_path / "none"))
    assert memory_budget("cpu") == (budget or whole)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_memory_of_a_gpu_that_is_not_here_must_be_said() -> None:
    with pytest.raises(OptionError, match="say how much of its memory the index may take"):
        memory_budget("cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_half_of_the_gpu() -> None:
    assert memory_budget("cuda") == torch.cuda.mem_get_info()[1] // 2
