"""Versions damaged in every way that a copy, a disk or a mistake can: refused while the old one serves on."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from artifacts.store import Store
from tests.service.running import ADMIN, Running, running_service
from tests.service.shop import Shop

pytestmark = pytest.mark.integration
FILES = (
    "index.faiss", "manifest.json", "products.parquet", "query/encoder.onnx", "query/side.json",
    "query/tokenizer-bibert.json", "query/weights.safetensors",
)  # fmt: skip
_SEGMENT = "words/index/00000000000000000000000000000000"
WORD_FILES = (
    "words/words.json", "words/vocabulary.txt", "words/deletions.npy", "words/spared.txt", "words/index/meta.json",
    "words/stems.npy", "words/starts.npy", "words/rows.npy", "words/shares.npy", "words/index/.managed.json",
    *(f"{_SEGMENT}.{part}" for part in ("fast", "fieldnorm", "idx", "pos", "store", "term")),
)  # fmt: skip


@pytest.fixture(scope="module")
def serving(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service of v1; v2 is another good version, of which damaged copies are made."""
    store = tmp_path_factory.mktemp("damaged")
    shop.add_version(store, "v1", prefix="p")
    shop.add_version(store, "v2", prefix="q")
    Store(store).publish("v1")
    with running_service(store, cache_mb=0) as running:
        yield running


def refuse(serving: Running, damage: Callable[[Path], None]) -> str:
    """Why a damaged copy of v2 is refused, while searches are answered as before."""
    before = serving.search().json()
    versions = serving.service.settings.store / "versions"
    shutil.copytree(versions / "v2", versions / "copy")
    try:
        damage(versions / "copy")
        refused = serving.swap("copy")
    finally:
        shutil.rmtree(versions / "copy")
    problem = refused.json()
    assert (refused.status_code, problem["type"]) == (422, "urn:problem-type:vitrine:version-refused")
    assert problem["detail"].startswith("version copy: ")
    assert str(versions.parent) not in problem["detail"]
    after = serving.search().json()
    assert {**after, "took_ms": 0} == {**before, "took_ms": 0}
    shown = serving.client.get("/admin/index", headers=ADMIN).json()
    assert (shown["served"]["version"], shown["state"], shown["loading"]) == ("v1", "serving", None)
    assert shown["last_attempt"]["outcome"] == "refused"
    return str(problem["detail"])


def truncate(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_the_list_of_files_is_whole(serving: Running) -> None:
    version = serving.service.settings.store / "versions" / "v2"
    assert {path.relative_to(version).as_posix() for path in version.rglob("*") if path.is_file()} == {
        *FILES,
        *WORD_FILES,
    }


@pytest.mark.parametrize("name", [*FILES, "words/vocabulary.txt", f"{_SEGMENT}.idx"])
@pytest.mark.parametrize("damage", [truncate, empty, lengthen, flip_a_bit, Path.unlink])
def test_a_damaged_file_is_refused(serving: Running, name: str, damage: Callable[[Path], None]) -> None:
    reason = refuse(serving, lambda version: damage(version / name))
    assert name in reason


def rewrite(version: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = version / "manifest.json"
    content = json.loads(file.read_bytes())
    change(content)
    file.write_text(json.dumps(content))


def exchange_canaries(content: dict[str, Any]) -> None:
    """Each canary expects what another one finds."""
    found = [canary["product_ids"] for canary in content["canaries"]]
    for canary, product_ids in zip(content["canaries"], [*found[1:], found[0]], strict=True):
        canary["product_ids"] = product_ids


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(schema_version=2), "manifest.json has schema version 2, this Vitrine reads 1"),
        (lambda m: m.update(width=16), "the query side gives width 32, the index has 16"),
        (lambda m: m.update(count=91), "products.parquet has 90 rows, the index 91 vectors"),
        (lambda m: m["model"].update(query_fingerprint="0" * 64), "made for 000000000000; build the index again"),
        (exchange_canaries, "its canary queries find "),
        (lambda m: m.update(files={}), "manifest.json records no index.faiss"),
        (lambda m: m.update(promises="more"), "promises is not a known key"),
    ],
)
def test_a_manifest_of_something_else_is_refused(
    serving: Running, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    assert reason in refuse(serving, lambda version: rewrite(version, lambda m: (m.pop("seal"), change(m))))


def test_a_changed_manifest_is_refused_by_its_checksum(serving: Running) -> None:
    assert "manifest.json does not match the checksum of its content" in refuse(
        serving, lambda version: rewrite(version, lambda m: m["index"].update(recall_at_100=0.5))
    )


def test_parts_of_two_good_versions_are_no_version(serving: Running) -> None:
    other = serving.service.settings.store / "versions" / "v1"
    assert "products.parquet" in refuse(
        serving, lambda version: shutil.copy(other / "products.parquet", version / "products.parquet")
    )
