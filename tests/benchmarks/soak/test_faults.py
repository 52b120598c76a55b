"""That the hostile inputs of the soak are what they claim to be, and that its damaged version is one."""

import asyncio
import io
import json
from pathlib import Path

import httpx
import pytest
from PIL import Image

from artifacts.errors import DamagedError
from artifacts.index_version import open_index_version
from artifacts.store import Store
from benchmarks.soak import versions
from benchmarks.soak.faults import FAULTS, UnexpectedAnswerError, _png_header_of, stop_search_process
from benchmarks.soak.target import Target
from tests.benchmarks.conftest import SmallShop
from tests.service.running import ADMIN, running_service
from tests.service.shop import Shop, save_query_side


def test_a_small_file_of_a_wide_picture() -> None:
    content = _png_header_of(400_000, 1)
    assert len(content) < 200
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (400_000, 1)


@pytest.mark.integration
def test_the_versions_differ_and_the_damaged_one_cannot_be_opened(small_shop: SmallShop, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    versions.make_versions(store, small_shop.folder / "bundle", small_shop.catalog, tmp_path)
    assert store.version_ids() == sorted([versions.DAMAGED, versions.PART, versions.WHOLE])
    whole, part = (open_index_version(store.version_path(name)).manifest for name in (versions.WHOLE, versions.PART))
    assert part.count == whole.count - whole.count // 10
    assert part.photos.usable < whole.photos.usable
    with pytest.raises(DamagedError):
        open_index_version(store.version_path(versions.DAMAGED))


@pytest.mark.integration
def test_faults_against_the_real_service(tmp_path: Path) -> None:
    """Those faults that need no search process of its own: the versions are served in threads of this process."""
    save_query_side(tmp_path / "query", seed=1)
    shop = Shop(tmp_path / "query")
    for version in (versions.WHOLE, versions.PART):
        shop.add_version(tmp_path / "store", version)
    damaged = tmp_path / "store" / "versions" / versions.DAMAGED
    shop.add_version(tmp_path / "store", versions.DAMAGED)
    (damaged / "index.faiss").write_bytes((damaged / "index.faiss").read_bytes()[:-1] + b"?")
    (tmp_path / "store" / "CURRENT").write_text(json.dumps({"version": versions.WHOLE, "previous": []}))
    with running_service(tmp_path / "store") as running:

        async def run() -> None:
            async with httpx.AsyncClient(base_url=running.url, headers=ADMIN, timeout=60) as http:
                target = Target(-1, running.url, http, Store(tmp_path / "store"))
                assert target.search_processes() == [] and target.memory_mb() == 0
                for name in ("swap to another version", "rollback", "swap to a damaged version, refused"):
                    await FAULTS[name](target)
                assert await target.served() == versions.WHOLE
                assert await target.seconds_until_it_answers(0, 60) < float("inf")
                await FAULTS["20 uploads aborted half-way"](target)
                with pytest.raises(UnexpectedAnswerError, match="/search/image: 4"):  # its model takes no photos
                    await FAULTS["hostile photos uploaded"](target)
                with pytest.raises(IndexError):
                    await stop_search_process(target)

        asyncio.run(run())
