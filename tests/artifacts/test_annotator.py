"""The annotator's folder."""

import json
import re
from pathlib import Path

import pytest

from artifacts.annotator import ANNOTATOR_FILE, CrossEncoderConfig, read_annotator
from artifacts.errors import DamagedError, FormatError
from artifacts.judgments import Relevance
from tests.support.annotators import tiny_annotator, tiny_annotator_origin, tiny_cross_encoder_config, tiny_report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_annotator(tmp_path / "annotator", threshold=0.5)
    return tmp_path / "annotator"


def test_the_card_is_read_as_it_was_written(folder: Path) -> None:
    card = read_annotator(folder).card
    assert card.report == tiny_report()
    assert card.origin == tiny_annotator_origin()
    assert card.labelling.labels == tuple(Relevance)
    assert set(card.files) == {"weights.safetensors", "tokenizer.json"}


@pytest.mark.parametrize("name", ["weights.safetensors", "tokenizer.json"])
def test_a_flipped_bit_is_noticed(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(bytes(content))
    with pytest.raises(DamagedError, match=f"{name} does not have the SHA-256"):
        read_annotator(folder)


@pytest.mark.parametrize(
    ("key", "value"), [("threshold", 0.25), ("temperature", 2.0), ("labels", ["S", "E", "C", "I"])]
)
def test_what_decides_labels_cannot_be_changed_unnoticed(folder: Path, key: str, value: object) -> None:
    card = json.loads((folder / ANNOTATOR_FILE).read_text())
    card["labelling"][key] = value
    (folder / ANNOTATOR_FILE).write_text(json.dumps(card))
    with pytest.raises(DamagedError, match="does not have the fingerprint that it was written with"):
        read_annotator(folder)


def test_the_fingerprint_tells_thresholds_apart_and_nothing_else(tmp_path: Path) -> None:
    for name, threshold in (("a", 0.5), ("b", 0.5), ("c", 0.6)):
        tiny_annotator(tmp_path / name, threshold=threshold)
    a, b, c = (read_annotator(tmp_path / name).card.fingerprint for name in "abc")
    assert a == b != c


def test_another_schema_version_is_refused(folder: Path) -> None:
    card = json.loads((folder / ANNOTATOR_FILE).read_text())
    (folder / ANNOTATOR_FILE).write_text(json.dumps({**card, "schema_version": 2}))
    with pytest.raises(FormatError, match="has schema version 2, this Vitrine reads 1"):
        read_annotator(folder)


def test_another_folder_is_refused(tmp_path: Path) -> None:
    message = f"{tmp_path} is no annotator: it has no annotator.json; make one with `python -m training annotator`"
    with pytest.raises(DamagedError, match=f"^{re.escape(message)}$"):
        read_annotator(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title_tokens": 99}, "a text may have 99 tokens, but there are 14 positions"),
        ({"outputs": 1}, "greater than or equal to 2"),
    ],
)
def test_sizes_that_cannot_be(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CrossEncoderConfig(**{**tiny_cross_encoder_config().model_dump(), **changes})


def test_labels_go_with_outputs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the model has 3 outputs for the labels E, E, I"):
        tiny_annotator(tmp_path / "a", labels=(Relevance.EXACT, Relevance.EXACT, Relevance.IRRELEVANT))
