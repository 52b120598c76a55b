"""Specifications of sides: widths, round trip, and what is refused."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from artifacts.errors import DamagedError, FormatError
from artifacts.side import NoFusion, SideSpec, read_side_spec, tokenizer_file, write_side_spec
from artifacts.tower_specs import (
    BertConfig,
    BertTowerSpec,
    ClipConfig,
    ClipImageTowerSpec,
    ClipTextTowerSpec,
    PretrainedBertTowerSpec,
    TextInput,
)
from tests.support.specs import BERT_WIDTH, CLIP_WIDTH, COMPOSITIONS, MLP_WIDTH, tiny_bert_specs, tiny_sides


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_specifications_come_back_as_they_were(tmp_path: Path, composition: str) -> None:
    for spec in tiny_sides(composition):
        write_side_spec(tmp_path, spec)
        assert read_side_spec(tmp_path) == spec


@pytest.mark.parametrize(
    ("composition", "query", "product"),
    [
        ("bibert", BERT_WIDTH, BERT_WIDTH),
        ("clip", CLIP_WIDTH, CLIP_WIDTH),
        ("cat", BERT_WIDTH + CLIP_WIDTH, BERT_WIDTH + CLIP_WIDTH),
        ("alpha", BERT_WIDTH + CLIP_WIDTH, BERT_WIDTH + CLIP_WIDTH),
        ("mlp", MLP_WIDTH, MLP_WIDTH),
        ("3tmm", BERT_WIDTH, BERT_WIDTH),
    ],
)
def test_a_side_knows_its_width(composition: str, query: int, product: int) -> None:
    assert tuple(spec.width for spec in tiny_sides(composition)) == (query, product)


def test_towers_stand_side_by_side_in_their_order() -> None:
    query, product = tiny_sides("mlp")
    ends = {"bibert": slice(0, BERT_WIDTH), "clip": slice(BERT_WIDTH, BERT_WIDTH + CLIP_WIDTH)}
    assert query.tower_slices == product.tower_slices == ends
    turned = query.model_copy(update={"towers": query.towers[::-1]})
    assert turned.tower_slices == {"clip": slice(0, CLIP_WIDTH), "bibert": slice(CLIP_WIDTH, CLIP_WIDTH + BERT_WIDTH)}
    assert tiny_sides("3tmm")[0].tower_slices == {"bibert": slice(0, BERT_WIDTH)}


def test_only_a_learned_fusion_mixes_towers() -> None:
    mixed = {name: [side.mixes_towers for side in tiny_sides(name)] for name in COMPOSITIONS}
    assert mixed.pop("mlp") == [True, True]
    assert mixed.pop("3tmm") == [False, True]
    assert set(map(tuple, mixed.values())) == {(False, False)}


def test_text_towers_are_those_that_read_text() -> None:
    query, product = tiny_sides("cat")
    assert [type(tower) for tower in query.text_towers] == [BertTowerSpec, ClipTextTowerSpec]
    assert [type(tower) for tower in product.text_towers] == [BertTowerSpec]
    assert [type(tower) for tower in product.towers] == [BertTowerSpec, ClipImageTowerSpec]
    assert [tokenizer_file(tower.name) for tower in query.text_towers] == [
        "tokenizer-bibert.json",
        "tokenizer-clip.json",
    ]


def test_bibert_has_the_sizes_of_the_paper() -> None:
    config = BertConfig(vocabulary_size=10, max_positions=5, pad_id=0)
    assert (config.layers, config.heads) == (2, 4)


def test_clip_has_as_many_positions_as_open_clip_gives_it() -> None:
    model: dict[str, Any] = {"embed_dim": 4, "vision_cfg": {}, "text_cfg": {}}
    assert ClipConfig(architecture="x", model=model).context_length == 77
    model["text_cfg"] = {"context_length": 9}
    assert ClipConfig(architecture="x", model=model).context_length == 9


def good(number: int = 0) -> dict[str, Any]:
    """A good side.json: query side (0) or product side (1) of a two-tower model."""
    content: dict[str, Any] = json.loads(tiny_sides("cat")[number].model_dump_json())
    return content


def changed(path: str, value: Any, number: int = 0) -> dict[str, Any]:
    """A good side.json with one value replaced, or removed where it is `...`."""
    content = copy.deepcopy(good(number))
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = content
    for part in parents:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return content


EXPECTED_TOWERS = "expected name 'bibert', alone or with kind 'pretrained', or 'clip' with modality 'text' or 'image'"
PRETRAINED: dict[str, Any] = {
    "name": "bibert",
    "kind": "pretrained",
    "config": {"family": "roberta", "model": {"hidden_size": 4}, "max_positions": 8, "pad_id": 1, "width": 6},
    "text": {"max_tokens": 8, "pad_id": 1},
}


def test_a_pretrained_tower_comes_back_as_it_was(tmp_path: Path) -> None:
    spec = SideSpec.model_validate({"towers": [PRETRAINED], "fusion": {"kind": "none"}})
    write_side_spec(tmp_path, spec)
    assert read_side_spec(tmp_path) == spec
    assert isinstance(spec.towers[0], PretrainedBertTowerSpec)
    assert spec.width == 6 and spec.text_towers == spec.towers


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (changed("fusion.kind", "sum"), "fusion: input tag 'sum' found using 'kind' does not match any of "
         "the expected tags: 'none', 'cat', 'alpha', 'mlp', 'residual'"),
        (changed("fusion", {"kind": "alpha"}), "fusion.alpha.alpha is missing and has no default"),
        (changed("fusion", {"kind": "alpha", "alpha": 1.5}),
         "fusion.alpha.alpha is 1.5: input should be less than or equal to 1"),
        (changed("fusion", {"kind": "alpha", "alpha": -0.1}),
         "fusion.alpha.alpha is -0.1: input should be greater than or equal to 0"),
        (changed("fusion", {"kind": "mlp", "hidden": 0}),
         "fusion.mlp.hidden is 0: input should be greater than 0"),
        (changed("fusion", {"kind": "none"}), "the record: fusion none does not go with 2 towers: "
         "one tower takes none, two take another"),
        (changed("towers", good()["towers"][:1]), "the record: fusion cat does not go with 1 tower: "
         "one tower takes none, two take another"),
        (changed("towers", []), "the record: a side has one or two towers, got 0"),
        (changed("towers", good()["towers"] * 2), "the record: a side has one or two towers, got 4"),
        (changed("towers", good()["towers"][:1] * 2),
         "the record: each tower may be on a side once, got bibert, bibert"),
        (changed("towers.0.name", "gpt"),
         f"towers.0: {EXPECTED_TOWERS}"),
        (changed("towers.0.name", ...),
         f"towers.0: {EXPECTED_TOWERS}"),
        (changed("towers.0", "bibert"),
         f"towers.0 is 'bibert': {EXPECTED_TOWERS}"),
        (changed("towers.0.kind", "rented"), f"towers.0: {EXPECTED_TOWERS}"),
        (changed("towers.0", {**PRETRAINED, "text": {"max_tokens": 9, "pad_id": 1}}),
         "towers.0.bibert-pretrained: max_tokens is 9, but the tower has 8 positions"),
        (changed("towers.0", {**PRETRAINED, "text": {"max_tokens": 8, "pad_id": 0}}),
         "towers.0.bibert-pretrained: texts are padded with 0, the tower reads 1"),
        (changed("towers.0", {**PRETRAINED, "config": {**PRETRAINED["config"], "family": "gpt2"}}),
         "towers.0.bibert-pretrained.config.family is 'gpt2': input should be 'bert', 'camembert', 'distilbert', "
         "'electra', 'mpnet', 'roberta' or 'xlm-roberta'"),
        (changed("towers.1.modality", "sound"),
         f"towers.1: {EXPECTED_TOWERS}"),
        (changed("towers.0.config.width", 30),
         "towers.0.bibert.config: width 30 is not divisible by 4 heads"),
        (changed("towers.0.config.pad_id", 999),
         "towers.0.bibert.config: pad_id 999 is not in a vocabulary of 89"),
        (changed("towers.0.config.layers", ...) | {"extra": 1}, "extra is not a known key"),
        (changed("towers.0.config.vocabulary_size", ...),
         "towers.0.bibert.config.vocabulary_size is missing and has no default"),
        (changed("towers.0.text.pad_id", 1),
         "towers.0.bibert: texts are padded with 1, the tower reads 0"),
        (changed("towers.0.text.max_tokens", 1),
         "towers.0.bibert.text.max_tokens is 1: input should be greater than or equal to 2"),
        (changed("towers.1.text.padding_side", "left"),
         "towers.1.clip-text.text: texts are padded on the left, which only towers of a fixed length read"),
        (changed("towers.0.text.max_tokens", 15),
         "towers.0.bibert: max_tokens is 15, but the tower has 14 positions"),
        (changed("towers.1.text.max_tokens", 11),
         "towers.1.clip-text: max_tokens is 11, but the tower has 10 positions"),
        (changed("towers.1.config.model.embed_dim", ...), "towers.1.clip-text.config: "
         "the model configuration of tiny-clip lacks embed_dim"),
        (changed("towers.1.config.model", {"embed_dim": "wide", "text_cfg": {}}, number=1),
         "towers.1.clip-image.config: "
         "the model configuration of tiny-clip lacks embed_dim, vision_cfg"),
        (changed("towers.1.photo.std", [0.5, 0, 0.5], number=1),
         "towers.1.clip-image.photo.std.1 is 0: input should be greater than 0"),
        (changed("towers.1.photo.resize_mode", "crop", number=1), "towers.1.clip-image.photo.resize_mode "
         "is 'crop': input should be 'shortest', 'longest' or 'squash'"),
        (changed("towers.1.photo.height", 0, number=1),
         "towers.1.clip-image.photo.height is 0: input should be greater than 0"),
    ],
)  # fmt: skip
def test_bad_specifications_are_refused(tmp_path: Path, content: dict[str, Any], reason: str) -> None:
    (tmp_path / "side.json").write_text(json.dumps(content))
    with pytest.raises(FormatError) as caught:
        read_side_spec(tmp_path)
    assert str(caught.value) == f"{tmp_path / 'side.json'}: {reason}"


def test_defaults_may_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "side.json").write_text(json.dumps(changed("towers.0.config.layers", ...)))
    assert read_side_spec(tmp_path) == tiny_sides("cat")[0]


def test_a_missing_specification_is_damage(tmp_path: Path) -> None:
    with pytest.raises(DamagedError) as caught:
        read_side_spec(tmp_path)
    assert str(caught.value) == f"{tmp_path / 'side.json'} is missing"


def test_a_side_is_not_made_of_unknown_things() -> None:
    with pytest.raises(ValueError, match="a side has one or two towers, got 0"):
        SideSpec(towers=(), fusion=tiny_sides("cat")[0].fusion)


def test_fields_of_products_are_kept_and_older_sides_have_none(tmp_path: Path) -> None:
    query, product = tiny_bert_specs()
    read = product.model_copy(update={"text": product.text.model_copy(update={"fields": ("brand", "category")})})
    spec = SideSpec(towers=(read,), fusion=NoFusion())
    write_side_spec(tmp_path, spec)
    assert read_side_spec(tmp_path) == spec and spec.fields == ("brand", "category")
    plain = SideSpec(towers=(query,), fusion=NoFusion())
    assert plain.fields == () and "fields" not in plain.model_dump_json()  # as older releases wrote and read it


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("brand", "brand"), "each field may be named once, and brand is named again"),
        (("title",), "fields are read after the title, which is always read; title can be none"),
    ],
)
def test_fields_that_cannot_be(fields: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TextInput(max_tokens=8, pad_id=0, fields=fields)
