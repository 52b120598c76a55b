"""The pooling of an encoder is that of its folder's own configuration, unless a recipe names another."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.encoders import encoder_folder
from towers.encoder_folder import load_encoder
from towers.errors import EncoderError
from towers.pooling_config import pooling_of_folder


def configure(folder: Path, config: Any, place: str = "1_Pooling", modules: Any = None) -> Path:
    (folder / place).mkdir(parents=True)
    (folder / place / "config.json").write_text(json.dumps(config))
    if modules is not None:
        (folder / "modules.json").write_text(json.dumps(modules))
    return folder


CLS = {"word_embedding_dimension": 32, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        (CLS, "cls"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, "mean"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["mean"], "pooling_mode_cls_token": True}, "mean"),
        ({"word_embedding_dimension": 32}, None),
    ],
)
def test_the_folder_says_it(tmp_path: Path, config: dict[str, Any], pooling: str | None) -> None:
    assert pooling_of_folder(configure(tmp_path, config, modules=[])) == pooling


def test_the_folder_of_pooling_is_that_of_its_modules(tmp_path: Path) -> None:
    modules = [
        {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "path": "2_P", "type": "sentence_transformers.models.Pooling"},
    ]
    assert pooling_of_folder(configure(tmp_path, CLS, "2_P", modules)) == "cls"


def test_a_folder_of_transformers_says_nothing(tmp_path: Path) -> None:
    assert pooling_of_folder(tmp_path) is None


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (
            {"pooling_mode_max_tokens": True},
            "config.json names the pooling max_tokens, and a text tower has mean or cls",
        ),
        ({"pooling_mode": "lasttoken"}, "config.json names the pooling lasttoken, and a text"),
        (
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
            "config.json names the pooling cls_token and mean_tokens, and a text",
        ),
        ([1], "config.json is no JSON object"),
    ],
)
def test_what_no_tower_has_is_named(tmp_path: Path, config: Any, fault: str) -> None:
    with pytest.raises(EncoderError, match=fault):
        pooling_of_folder(configure(tmp_path, config))
    (tmp_path / "1_Pooling" / "config.json").write_text("{")
    with pytest.raises(EncoderError, match=r"config\.json cannot be read: "):
        pooling_of_folder(tmp_path)


def test_a_tower_records_it_and_a_recipe_goes_first(tmp_path: Path) -> None:
    encoder_folder(tmp_path / "encoder", "bert")
    assert load_encoder(tmp_path / "encoder").tower.config.pooling == "mean"
    configure(tmp_path / "encoder", CLS)
    assert load_encoder(tmp_path / "encoder").tower.config.pooling == "cls"
    assert load_encoder(tmp_path / "encoder", pooling="mean").tower.config.pooling == "mean"
