"""A version in a real process: begun, asked, ended, refused, and lost."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common.children import children_of
from service.core.device import Device
from service.core.errors import UnknownVersionError, VersionRefusedError
from service.dispatch.child_process import Children
from service.dispatch.version_process import VersionProcess
from service.dispatch.version_process import open_version as open_with
from service.dispatch.worker_channel import WorkerChannel
from service.protocol.answers import BatchAnswer, RenderedAnswer
from service.protocol.messages import Message, answer_from_message, queries_to_message
from service.protocol.queries import Page, Query, SearchQuery, SimilarQuery
from service.protocol.worker_config import WorkerConfig
from tests.service.in_threads import TIME_LIMITS
from tests.service.shop import Shop
from tests.service.waiting import WAIT_SECONDS, until

pytestmark = pytest.mark.integration


def config(store: Path, max_bytes: int | None = None) -> WorkerConfig:
    return WorkerConfig(
        store=store, device=Device.CPU, encoder_threads=1, photo_search=True, index_threads=1, log_format="text",
        max_bytes=max_bytes,
    )  # fmt: skip


async def open_version(version_id: str, config: WorkerConfig, search_threads: int) -> VersionProcess:
    return await open_with(version_id, config, search_threads, Children(), TIME_LIMITS)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 2 * WAIT_SECONDS))


async def ask(channel: WorkerChannel, queries: list[Query]) -> BatchAnswer | None:
    came: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()
    channel.send(queries_to_message(queries), came.set_result)
    message = await came
    return answer_from_message(message, "v2") if message else None


def ids(answer: BatchAnswer | None) -> list[list[str]]:
    assert answer is not None
    found = [json.loads(b"[%b]" % one.content) for one in answer.outcomes if isinstance(one, RenderedAnswer)]
    return [[hit["product_id"] for hit in hits] for hits in found]


def is_there(process: VersionProcess) -> bool:
    return Path(f"/proc/{process.pid}").exists()


def test_it_tells_of_itself_answers_in_order_on_each_channel_and_ends(good_store: Path) -> None:
    async def test() -> None:
        process = await open_version("v2", config(good_store), 2)
        served = process.served
        assert (served.version_id, served.manifest.count, served.index_device) == ("v2", 90, Device.CPU)
        assert "price" in {column.name for column in served.columns}
        assert served.photo_search_refusal is not None and "has no CLIP" in served.photo_search_refusal
        kinds = (process.search_channels, process.photo_channels, process.lookup_channels)
        assert [len(channels) for channels in kinds] == [2, 1, 1]
        for channel in itertools.chain(*kinds):
            page = Page(1)
            asked: list[list[Query]] = [[SimilarQuery("q7", Page(2)), SearchQuery("red shoes", page)]] * 3
            answers = await asyncio.gather(*(ask(channel, queries) for queries in asked))
            assert [len(ids(answer)[0]) for answer in answers] == [2, 2, 2]
            assert len({str(ids(answer)) for answer in answers}) == 1
        lost: list[str] = []
        process.when_lost(lost.append)
        assert is_there(process)
        await process.shut_down()
        assert not is_there(process) and lost == []

    run(test())


def test_secrets_do_not_reach_it(good_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINE_ADMIN_TOKEN", "correct-horse-battery")

    async def test() -> None:
        process = await open_version("v1", config(good_store), 1)
        for file in ("environ", "cmdline"):
            assert b"correct-horse" not in Path(f"/proc/{process.pid}/{file}").read_bytes()
        await process.shut_down()

    run(test())


def test_what_cannot_be_served_is_refused_in_words_and_leaves_no_process(shop: Shop, tmp_path: Path) -> None:
    path = shop.add_version(tmp_path, "v1")
    index = (path / "index.faiss").read_bytes()
    (path / "index.faiss").write_bytes(index[:-1] + bytes([index[-1] ^ 1]))
    shop.add_version(tmp_path, "v2")

    async def test() -> None:
        with pytest.raises(UnknownVersionError, match="none"):
            await open_version("none", config(tmp_path), 1)
        with pytest.raises(VersionRefusedError, match=r"version v1: versions/v1/index\.faiss: expected SHA-256"):
            await open_version("v1", config(tmp_path), 1)
        with pytest.raises(VersionRefusedError, match=r"version v2: it takes about 0\.\d\d GB .*VITRINE_COMPARE_MB"):
            await open_version("v2", config(tmp_path, max_bytes=1), 1)
        await until(lambda: children() <= before, "a process is left")

    before = children()
    run(test())


def test_a_process_that_is_killed_while_it_loads_refuses_its_version(
    good_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.dispatch.child_process._COMMAND", ["sh", "-c", "kill -9 $$"])

    async def test() -> None:
        with pytest.raises(VersionRefusedError, match="ended by SIGKILL, perhaps because memory ran out"):
            await open_version("v1", config(good_store), 1)
        monkeypatch.setattr("service.dispatch.child_process._COMMAND", ["sh", "-c", "exit 3"])
        with pytest.raises(VersionRefusedError, match=r"version v1: its worker process ended with exit code 3"):
            await open_version("v1", config(good_store), 1)

    run(test())


def test_a_load_that_is_given_up_ends_its_process(good_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.dispatch.child_process._COMMAND", ["sh", "-c", "exec sleep 60"])
    before = children()

    async def test() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(open_version("v1", config(good_store), 1), 0.5)
        await until(lambda: children() <= before, "a process is left")

    run(test())


def test_one_that_ends_by_itself_says_so_once_and_answers_nothing_more(good_store: Path) -> None:
    async def test() -> None:
        process = await open_version("v1", config(good_store), 2)
        lost: list[str] = []
        process.when_lost(lost.append)
        os.kill(process.pid, signal.SIGSTOP)
        await until(lambda: state_of(process.pid) == "T", "the process is not stopped")
        waiting = [
            asyncio.ensure_future(ask(channel, [SearchQuery("hat", Page(1))])) for channel in process.search_channels
        ]
        os.kill(process.pid, signal.SIGKILL)
        assert await asyncio.gather(*waiting) == [None, None]
        await until(lambda: lost, "nobody was called")
        assert await ask(process.search_channels[0], [SearchQuery("hat", Page(1))]) is None
        assert lost == ["ended"]
        await until(lambda: not is_there(process), "the process was not reaped")
        await process.shut_down()

    run(test())


def state_of(pid: int) -> str:
    """The letter with which the system names a process's state; T for stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def children() -> set[int]:
    """Processes that this one began and that are there."""
    return set(children_of(os.getpid()))


def test_its_threads_begin_before_what_takes_long_to_import() -> None:
    """All that is imported later is imported at a lower priority than searches have."""
    program = (
        "import sys; import service.worker.search_process; "
        "print(*(name for name in ('faiss', 'onnxruntime', 'pyarrow', 'numpy', 'fastapi') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
