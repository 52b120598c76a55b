"""What the worker processes of a service are started with."""

import asyncio
from pathlib import Path

import pytest

from service.core.settings import Settings
from service.dispatch import search_service
from service.dispatch.child_process import Children
from service.dispatch.search_service import SearchService
from service.dispatch.version_process import TimeLimits, VersionProcess
from service.protocol.worker_config import WorkerConfig
from tests.service.in_threads import in_threads
from tests.service.stand_ins import stand_in_version
from tests.service.waiting import until

Opened = tuple[str, WorkerConfig, TimeLimits]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Opened]:
    """A list of what each worker process is started with; stand-ins are started in their place."""
    noted: list[Opened] = []

    async def open_stand_in(
        version_id: str, config: WorkerConfig, search_threads: int, children: Children, limits: TimeLimits
    ) -> VersionProcess:
        noted.append((version_id, config, limits))
        return await in_threads(stand_in_version)(version_id)

    monkeypatch.setattr(search_service, "open_version", open_stand_in)
    return noted


def settings(store: Path, **changes: float) -> Settings:
    (store / "CURRENT").write_text('{"version": "v1", "previous": []}')
    return Settings(store=store, device="cpu", **changes)  # type: ignore[arg-type]


def test_a_version_is_loaded_at_a_lower_priority_while_another_one_is_served(
    opened: list[Opened], tmp_path: Path
) -> None:
    async def test() -> None:
        service = SearchService(settings(tmp_path))
        await service.swapper.start()
        await service.swapper.swap("v2")
        await service.comparison.start_loading("v3")
        assert service.swapper._process is not None
        service.swapper._process.search_channels[0].close()
        await until(lambda: len(opened) == 4, "the lost version is not loaded again")
        await until(lambda: service.swapper.served, "it is not served")
        await service.stop()

    asyncio.run(test())
    assert [(version_id, config.yields_to_searches) for version_id, config, _ in opened] == [
        ("v1", False), ("v2", True), ("v3", True), ("v2", False),
    ]  # fmt: skip


@pytest.mark.parametrize(("deadline", "batch", "photo"), [(0.5, 10, 90), (5, 10, 90), (30, 60, 90), (60, 120, 120)])
def test_a_search_thread_gets_twice_the_deadline_and_at_least_some_seconds(
    opened: list[Opened], tmp_path: Path, deadline: float, batch: float, photo: float
) -> None:
    async def test() -> None:
        service = SearchService(settings(tmp_path, deadline_seconds=deadline, load_seconds=77))
        await service.swapper.start()
        await service.stop()

    asyncio.run(test())
    ((_, _, limits),) = opened
    assert limits == TimeLimits(load_seconds=77, batch_seconds=batch, photo_seconds=photo)
