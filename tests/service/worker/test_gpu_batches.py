"""Batches of a version whose GPU works, or sticks, with the CPU standing in for the GPU."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from knn import VectorIndex
from service.core.device import Device
from service.core.errors import DeviceLostError, SearchFailedError
from service.protocol.answers import RenderedAnswer
from service.protocol.queries import Page, SearchQuery
from service.worker import loaded_version
from service.worker.batch_executor import answer_batch
from service.worker.hit_table import HitTable
from service.worker.loaded_version import LoadedVersion
from tests.service.processes import service_process, wait_for
from tests.service.stand_ins import BROKEN, stand_in_version
from tests.service.waiting import WAIT_SECONDS, wait_until

STICKS = "PyTorch cannot compute on GPU 0: CUDA error: an illegal memory access was encountered"


def on_gpu(version: LoadedVersion) -> LoadedVersion:
    """The version as if a GPU encoded its queries."""
    return replace(version, encoder_device=Device(gpu=0))


def batch(*texts: str) -> list[SearchQuery]:
    return [SearchQuery(text, Page(1)) for text in texts]


@pytest.fixture
def gpu_fault(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """What the GPU answers when it is tried after a failed batch; a test changes it."""
    fault: list[str | None] = [None]
    monkeypatch.setattr(loaded_version, "gpu_fault", lambda number: fault[0])
    return fault


def test_a_gpu_that_sticks_fails_no_batch_but_ends_its_process(gpu_fault: list[str | None]) -> None:
    gpu_fault[0] = STICKS
    with pytest.raises(DeviceLostError, match="illegal memory access"):
        answer_batch(batch("1", BROKEN), on_gpu(stand_in_version()))


def test_a_batch_that_fails_on_a_sound_gpu_fails_alone(gpu_fault: list[str | None]) -> None:
    first, broken = answer_batch(batch("1", BROKEN), on_gpu(stand_in_version())).outcomes
    assert isinstance(first, RenderedAnswer) and isinstance(broken, SearchFailedError)


def test_a_version_on_the_cpu_asks_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaded_version, "gpu_fault", lambda number: pytest.fail("a GPU was asked"))
    (broken,) = answer_batch(batch(BROKEN), stand_in_version()).outcomes
    assert isinstance(broken, SearchFailedError)


# In worker processes: the version as if a GPU encoded its queries, which sticks at one of them.
_STICKY_GPU = f"""
import sys
if sys.argv[1].startswith("{{"):
    from dataclasses import replace
    from service.core.device import Device
    from service.worker import loaded_version
    load_version = loaded_version.load_version

    class StickyEncoder:
        gives_tower_vectors = False

        def __init__(self, encoder):
            self.width, self._encoder = encoder.width, encoder

        def encode(self, queries):
            if {BROKEN!r} in queries:
                loaded_version.gpu_fault = lambda number: {STICKS!r}
            if loaded_version.gpu_fault(0):
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            return self._encoder.encode(queries)

    def load(*arguments, **options):
        version = load_version(*arguments, **options)
        return replace(version, encoder=StickyEncoder(version.encoder), encoder_device=Device(gpu=0))

    loaded_version.gpu_fault = lambda number: None
    loaded_version.load_version = load
"""


@pytest.mark.integration
def test_the_process_of_a_lost_gpu_is_replaced(good_store: Path, tmp_path: Path) -> None:
    with (
        service_process(good_store, tmp_path, _STICKY_GPU) as process,
        httpx.Client(base_url=process.url, timeout=WAIT_SECONDS) as client,
    ):
        assert client.post("/search", json={"query": "hat"}).status_code == 200
        before = process.search_pids()
        lost = client.post("/search", json={"query": BROKEN})
        assert lost.status_code == 503 and "the search process was lost" in lost.json()["detail"]
        wait_for(process.log, process.popen, "event=(device_lost) reason='PyTorch cannot compute on GPU 0: CUDA error")
        wait_for(process.log, process.popen, "event=recover outcome=(served)")
        wait_until(lambda: client.get("/ready").status_code == 200, "the service is not ready again")
        assert client.post("/search", json={"query": "red hat"}).status_code == 200
        assert len(process.search_pids()) == 1 and process.search_pids() != before


class _GpuIndex:
    """An index of which each search waits until its test lets it end, and which counts searches at the same time."""

    def __init__(self, index: VectorIndex) -> None:
        self._index = index
        self._count = threading.Lock()
        self.width, self.count = index.width, index.count
        self.searches, self.searching, self.most_at_once = 0, 0, 0
        self.second_begun, self.first_is_rendered = threading.Event(), threading.Event()

    def search(self, *arguments: Any) -> Any:
        with self._count:
            self.searches += 1
            self.searching += 1
            self.most_at_once = max(self.most_at_once, self.searching)
            number = self.searches
        if number == 2:
            self.second_begun.set()
            assert self.first_is_rendered.wait(WAIT_SECONDS), "the GPU waits until the batch before is rendered"
        found = self._index.search(*arguments)
        with self._count:
            self.searching -= 1
        return found


def test_a_batch_is_rendered_while_the_gpu_works_on_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    version = on_gpu(stand_in_version())
    index = _GpuIndex(version.index)
    version = replace(version, index=index)  # type: ignore[arg-type]
    render = HitTable.render

    def render_when_the_next_is_searched(table: HitTable, rankings: Any) -> Any:
        assert index.second_begun.wait(WAIT_SECONDS), "the GPU idles while a batch is rendered"
        index.first_is_rendered.set()
        return render(table, rankings)

    monkeypatch.setattr(HitTable, "render", render_when_the_next_is_searched)
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda text: answer_batch(batch(text), version).outcomes, ["0", "1", "2"]))
    assert all(isinstance(outcome, RenderedAnswer) for (outcome,) in answers)
    assert (index.searches, index.most_at_once) == (3, 1)
