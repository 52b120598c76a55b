"""How many threads answer batches, on a CPU and with a GPU."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.core.device import Device
from service.core.settings import Settings
from service.dispatch import search_service
from service.dispatch.search_service import GPU_SEARCH_THREADS, SearchService
from tests.service.stand_ins import stand_in_version

DEMANDED = Device(gpu=1, required=True)


def service_on(device: Device, store: Path, monkeypatch: pytest.MonkeyPatch, threads: int) -> tuple[SearchService, Any]:
    """A service that has chosen this device, and what it would start its workers with."""
    started: list[dict[str, Any]] = []
    monkeypatch.setattr(search_service, "choose_device", lambda setting: device)
    monkeypatch.setattr(search_service, "partial", lambda function, **fields: started.append(fields))
    service = SearchService(Settings(store=store, search_threads=threads))
    return service, started[0]


@pytest.mark.parametrize(
    ("device", "threads", "started"),
    [(Device.CPU, 2, 2), (DEMANDED, 1, GPU_SEARCH_THREADS), (DEMANDED, 2, GPU_SEARCH_THREADS), (DEMANDED, 8, 8)],
)
def test_a_worker_has_the_threads_that_its_device_may_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: Device, threads: int, started: int
) -> None:
    _, fields = service_on(device, tmp_path, monkeypatch, threads)
    assert fields["search_threads"] == started
    assert (fields["config"].device, fields["config"].index_threads) == (device, threads)


@pytest.mark.parametrize("threads", [1, 8])
def test_three_batches_overlap_on_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    """One is tokenised and one is rendered while the GPU works on the third."""
    service, fields = service_on(DEMANDED, tmp_path, monkeypatch, threads)
    described = stand_in_version().describe()
    channels = tuple(range(fields["search_threads"]))
    on_gpu = SimpleNamespace(served=described.model_copy(update={"encoder_device": DEMANDED}), search_channels=channels)
    assert service._search_channels(on_gpu) == (0, 1, 2)  # type: ignore[arg-type]
    moved = SimpleNamespace(served=described, search_channels=channels)  # to the CPU, as a whole
    assert service._search_channels(moved) == channels[:threads]  # type: ignore[arg-type]
