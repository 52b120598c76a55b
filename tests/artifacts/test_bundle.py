"""The model bundle: sealed, opened, and refused when any file of it is not what was written."""

import json
import shutil
from pathlib import Path

import pytest

from artifacts.bundle import (
    CARD_FILE,
    PRODUCT_SIDE,
    QUERY_SIDE,
    EncoderChoice,
    EncoderComparison,
    EncoderCost,
    ModelBundle,
    finish_bundle,
    open_bundle,
)
from artifacts.errors import DamagedError, FormatError
from tests.support.folders import tiny_origin, write_hollow_bundle, write_hollow_side
from tests.support.specs import COMPOSITIONS, tiny_sides

FILES = [
    "held_out_queries.json",
    "product/side.json",
    "product/tokenizer-bibert.json",
    "product/weights.safetensors",
    "query/encoder.onnx",
    "query/side.json",
    "query/tokenizer-bibert.json",
    "query/tokenizer-clip.json",
    "query/weights.safetensors",
]


@pytest.fixture
def bundle(tmp_path: Path) -> ModelBundle:
    return write_hollow_bundle(tmp_path / "bundle", "mlp")


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_a_bundle_comes_back_as_it_was_sealed(tmp_path: Path, composition: str) -> None:
    bundle = write_hollow_bundle(tmp_path / "bundle", composition)
    assert (bundle.query, bundle.product) == tiny_sides(composition)
    assert bundle.card.origin == tiny_origin(composition)
    assert bundle.card.width == bundle.query.width
    assert bundle.held_out_queries() == ["red shoe", "café"]
    assert bundle.query_folder == tmp_path / "bundle" / "query"
    assert bundle.product_folder == tmp_path / "bundle" / "product"


def test_every_file_but_the_card_is_recorded(bundle: ModelBundle) -> None:
    assert sorted(bundle.card.files) == FILES


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_damage_to_any_file_is_refused_by_its_name(bundle: ModelBundle, name: str, damage: str) -> None:
    file = bundle.path / name
    if damage == "missing":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    with pytest.raises(DamagedError) as caught:
        open_bundle(bundle.path)
    assert str(caught.value).startswith(f"{file} ")


def test_a_folder_without_card_is_no_bundle(bundle: ModelBundle) -> None:
    (bundle.path / CARD_FILE).unlink()
    with pytest.raises(DamagedError) as caught:
        open_bundle(bundle.path)
    assert str(caught.value) == f"{bundle.path} is no model bundle: it has no model.json"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema_version": 2}, " has schema version 2, this Vitrine reads 1"),
        ({"width": None}, ": width is None: input should be a valid integer"),
        ({"colour": "red"}, ": colour is not a known key"),
        ({"files": {"a": {"sha256": "0"}}}, ": files.a.size_bytes is missing and has no default"),
    ],
)
def test_a_card_of_another_format_is_refused(bundle: ModelBundle, change: dict[str, object], reason: str) -> None:
    card = bundle.path / CARD_FILE
    card.write_text(json.dumps(json.loads(card.read_text()) | change))
    with pytest.raises(FormatError) as caught:
        open_bundle(bundle.path)
    assert str(caught.value) == f"{card}{reason}"


def test_sides_of_different_widths_are_refused(tmp_path: Path) -> None:
    query, product = tiny_sides("mlp")[0], tiny_sides("3tmm")[1]
    write_hollow_side(tmp_path / QUERY_SIDE, query)
    write_hollow_side(tmp_path / PRODUCT_SIDE, product)
    with pytest.raises(FormatError) as caught:
        finish_bundle(tmp_path, tiny_origin(), ["q"])
    assert str(caught.value) == f"{tmp_path}: queries have width 40 but products 32; they must agree"
    assert not (tmp_path / CARD_FILE).exists()


def test_sides_of_different_widths_are_refused_on_opening_too(bundle: ModelBundle, tmp_path: Path) -> None:
    other = write_hollow_bundle(tmp_path / "other", "bibert")
    shutil.rmtree(bundle.product_folder)
    shutil.copytree(other.product_folder, bundle.product_folder)
    card = json.loads((bundle.path / CARD_FILE).read_text())
    other_card = json.loads((other.path / CARD_FILE).read_text())
    card["files"] |= {name: file for name, file in other_card["files"].items() if name.startswith("product/")}
    (bundle.path / CARD_FILE).write_text(json.dumps(card))
    with pytest.raises(FormatError) as caught:
        open_bundle(bundle.path)
    assert str(caught.value) == f"{bundle.path}: queries have width 40 but products 32; they must agree"


def test_curves_are_kept_but_neither_recorded_nor_checked(bundle: ModelBundle) -> None:
    folder = bundle.path
    (folder / CARD_FILE).unlink()
    bundle.curves_folder.mkdir()
    events = bundle.curves_folder / "events"
    events.write_bytes(b"of another time")
    finish_bundle(folder, bundle.card.origin, bundle.held_out_queries())
    assert sorted(open_bundle(folder).card.files) == FILES
    assert open_bundle(folder).fingerprint == bundle.fingerprint
    events.write_bytes(b"altered")
    assert open_bundle(folder).curves_folder == folder / "curves"
    shutil.rmtree(folder / "curves")
    assert open_bundle(folder).fingerprint == bundle.fingerprint


def test_a_bundle_of_before_seeds_were_kept_is_read(bundle: ModelBundle) -> None:
    card = json.loads((bundle.path / CARD_FILE).read_text())
    del card["origin"]["seed"]
    (bundle.path / CARD_FILE).write_text(json.dumps(card))
    assert open_bundle(bundle.path).card.origin.seed is None


def test_the_choice_of_the_query_encoder_is_kept_outside_the_fingerprint(bundle: ModelBundle) -> None:
    cost = EncoderCost(ms=0.25, batch_ms=0.2, bytes=10)
    comparison = EncoderComparison(
        queries=100, products=101, overlap_at_100=0.99, batch_cosine=1.0, fp32=cost, int8=cost
    )
    choice = EncoderChoice(precision="int8", reason="it passes", comparison=comparison)
    (bundle.path / CARD_FILE).unlink()
    finish_bundle(bundle.path, bundle.card.origin, bundle.held_out_queries(), choice)
    assert open_bundle(bundle.path).card.query_encoder == choice
    assert open_bundle(bundle.path).fingerprint == bundle.fingerprint


def test_a_bundle_of_before_there_was_a_choice_is_read(bundle: ModelBundle) -> None:
    card = json.loads((bundle.path / CARD_FILE).read_text())
    del card["query_encoder"]
    (bundle.path / CARD_FILE).write_text(json.dumps(card))
    assert open_bundle(bundle.path).card.query_encoder is None


def test_fingerprints_do_not_depend_on_the_place(bundle: ModelBundle, tmp_path: Path) -> None:
    copy = open_bundle(Path(shutil.copytree(bundle.path, tmp_path / "elsewhere" / "copy")))
    assert copy.fingerprint == bundle.fingerprint
    assert copy.query_fingerprint == bundle.query_fingerprint
    assert copy.product_fingerprint == bundle.product_fingerprint
    assert len({bundle.fingerprint, bundle.query_fingerprint, bundle.product_fingerprint}) == 3


@pytest.mark.parametrize(
    ("file", "query_changes", "product_changes"),
    [
        ("query/weights.safetensors", True, False),
        ("product/weights.safetensors", False, True),
        ("held_out_queries.json", False, False),
    ],
)
def test_each_fingerprint_covers_its_own_part(
    bundle: ModelBundle, tmp_path: Path, file: str, query_changes: bool, product_changes: bool
) -> None:
    folder = Path(shutil.copytree(bundle.path, tmp_path / "copy"))
    (folder / CARD_FILE).unlink()
    queries = ["another"] if file == "held_out_queries.json" else bundle.held_out_queries()
    (folder / file).write_bytes(b"others")
    finish_bundle(folder, bundle.card.origin, queries)
    other = open_bundle(folder)
    assert other.fingerprint != bundle.fingerprint
    assert (other.query_fingerprint != bundle.query_fingerprint) is query_changes
    assert (other.product_fingerprint != bundle.product_fingerprint) is product_changes


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        ('{"q": 1}', FormatError, " is not a list of texts"),
        ('["q", 1]', FormatError, " is not a list of texts"),
        ('"q"', FormatError, " is not a list of texts"),
        ("[", DamagedError, " cannot be read: Expecting value: line 1 column 2 (char 1)"),
    ],
)
def test_bad_held_out_queries_are_refused(
    bundle: ModelBundle, content: str, kind: type[Exception], reason: str
) -> None:
    file = bundle.path / "held_out_queries.json"
    file.write_text(content)
    with pytest.raises(kind) as caught:
        bundle.held_out_queries()
    assert str(caught.value) == f"{file}{reason}"
