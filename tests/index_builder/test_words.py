"""The words of versions: built, verified, gated, and inherited by updates."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.index_version import PRODUCTS_FILE, WORDS_FOLDER, finish_index_version, has_words
from artifacts.manifest import MANIFEST_FILE, read_manifest
from artifacts.store import Store
from artifacts.tokenizer_words import known_words
from index_builder.build import BuildRequest, build_version
from index_builder.core.errors import OptionError, VerificationError
from index_builder.update import UpdateRequest, update_version
from index_builder.versions.gate_checks import content_checks
from index_builder.versions.gate_limits import GateLimits
from index_builder.versions.verify import VerifiedVersion, verify_version
from index_builder.words import words_request
from lexical import WordIndex, write_words

BY_TITLE = "the share of products that the words of their title find"
COUNT = 40


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    rows = range(COUNT)
    products = {
        "product_id": [f"p{row}" for row in rows],
        "title": [
            f"{['red', 'blue', 'cotton'][row % 3]} {['shoe', 'dress', 'cap', 'pan'][row % 4]} {row}" for row in rows
        ],
        "image": pa.nulls(COUNT, pa.string()),
        "Brand": [f"maker{row % 5}" for row in rows],
        "EAN": [None, *(4006381333000 + row for row in rows[1:])],
        "Model Number": [f"XK-{row}-A" for row in rows],
        "page": [f"https://shop.example/{row}" for row in rows],
        "price": [float(row) for row in rows],
    }
    pq.write_table(pa.table(products), folder / "catalog.parquet")
    return folder


@pytest.fixture(scope="module")
def store(shop: Path, text_bundle: Path) -> Path:
    """Version "base" has words, "bare" has none."""
    for version, wanted in (("base", True), ("bare", False)):
        request = BuildRequest(text_bundle, shop / "catalog.parquet", shop, version, words=words_request(wanted, None))
        build_version(request)
    return shop


def update(store: Path, bundle: Path, base: str, version: str, **values: list[object]) -> Path:
    changes = pa.table({"product_id": ["p3"], "change": ["upsert"], **values})
    pq.write_table(changes, store / "changes.parquet")
    return update_version(UpdateRequest(bundle, store / "changes.parquet", store, base, version)).path


def first(words: WordIndex, query: str) -> int:
    return int(words.search(words.understand(query), 1).rows[0])


def verified(store: Path, version: str) -> VerifiedVersion:
    return verify_version(Store(store), version)


def by_title(store: Path, version: str) -> list[float]:
    checks = content_checks(verified(store, version), GateLimits())
    return [check.figure for check in checks if check.name == BY_TITLE]


def test_a_version_finds_products_by_all_their_words(store: Path) -> None:
    words = verified(store, "base").words
    assert words is not None and set(words.fields.weights) == {"title", "brand", "codes"}  # no addresses
    for query in ("p7", "4006381333007", "xk7a", "maker2 xk 7 a", "cotton pan 7 blue"):
        assert first(words, query) == 7, query
    assert by_title(store, "base") == [1.0]


def test_a_version_without_words_is_verified_and_says_that_it_has_none(store: Path) -> None:
    assert verified(store, "bare").words is None and not has_words(read_manifest(store / "versions" / "bare"))
    assert by_title(store, "bare") == []


def test_updates_inherit_words_and_write_them_anew_where_a_text_changed(store: Path, text_bundle: Path) -> None:
    price = update(store, text_bundle, "base", "price", price=[0.5])
    base = store / "versions" / "base" / WORDS_FOLDER
    assert all((price / WORDS_FOLDER / name).samefile(base / name) for name in ("words.json", "vocabulary.txt"))
    brand = update(store, text_bundle, "base", "brand", Brand=["newcomer"])  # which the model does not read
    words = verified(store, "brand").words
    assert words is not None and first(words, "newcomer") == 3
    assert (brand / "index.faiss").samefile(store / "versions" / "base" / "index.faiss")
    title = update(store, text_bundle, "brand", "title", title=["velvet dress"])
    words = verified(store, "title").words
    assert words is not None and first(words, "velvet") == first(words, "newcomer") == 3
    assert not has_words(read_manifest(update(store, text_bundle, "bare", "bare-brand", Brand=["newcomer"])))
    assert not (title / WORDS_FOLDER / "index" / ".tantivy-meta.lock").exists()


def test_words_of_other_products_do_not_pass(store: Path, tmp_path: Path) -> None:
    broken = tmp_path / "versions" / "broken"
    shutil.copytree(store / "versions" / "base", broken)
    shutil.rmtree(broken / WORDS_FOLDER)
    write_words(broken / WORDS_FOLDER, [])
    manifest = read_manifest(broken).model_copy(update={"version": "broken"})
    (broken / MANIFEST_FILE).unlink()
    finish_index_version(broken, manifest)
    with pytest.raises(
        VerificationError, match="words of 0 products, its settings say 0, and 40 are expected; build them again"
    ):
        verified(tmp_path, "broken")
    products = pq.read_table(broken / PRODUCTS_FILE)
    shutil.rmtree(broken / WORDS_FOLDER)
    shutil.copytree(store / "versions" / "base" / WORDS_FOLDER, broken / WORDS_FOLDER)
    pq.write_table(
        products.set_column(1, "title", products["title"].take(list(range(COUNT))[::-1])), broken / PRODUCTS_FILE
    )
    (broken / MANIFEST_FILE).unlink()
    finish_index_version(broken, manifest)
    (share,) = by_title(tmp_path, "broken")
    assert share < 0.5
    (broken / WORDS_FOLDER / "vocabulary.txt").write_text("altered 1")
    with pytest.raises(VerificationError, match=r"vocabulary\.txt"):
        verified(tmp_path, "broken")


def test_options() -> None:
    with pytest.raises(OptionError, match="--language is 'klingon': expected one of arabic, danish"):
        words_request(True, "klingon")
    with pytest.raises(OptionError, match="--language goes with words"):
        words_request(False, "german")


def test_tokenizers_of_all_kinds_tell_their_words(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"model": {"vocab": {"[CLS]": 0, "wrist": 1, "##ing": 2}}}')
    assert "wrist" in set(known_words(tmp_path))
    (tmp_path / "tokenizer.json").write_text('{"model": {"vocab": [["\u2581Pocket", -1.5], ["ing", -2]]}}')
    assert list(known_words(tmp_path)) == ["pocket"]
