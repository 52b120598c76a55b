"""Tiny real models: every composition of the design with random weights, built in milliseconds.

Nothing here stands in for the real thing: specifications, tokenizer, weights, export and bundle are what
a fit writes, only smaller.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import onnx
import torch
from torch import nn

from artifacts.bundle import CARD_FILE, PRODUCT_SIDE, QUERY_SIDE, ModelBundle, finish_bundle, open_bundle
from artifacts.side import SideSpec, write_side_spec
from artifacts.tower_specs import BertTowerSpec, TowerName
from tests.support.folders import tiny_origin
from tests.support.made_once import made_once
from tests.support.specs import (
    ALPHA,
    BERT_WIDTH,
    CLIP_WIDTH,
    COMPOSITIONS,
    MLP_WIDTH,
    PAD_ID,
    QUERIES,
    QUERY_TOKENS,
    TITLE_TOKENS,
    tiny_bert_config,
    tiny_bert_specs,
    tiny_clip_config,
    tiny_clip_specs,
    tiny_photo_input,
    tiny_sides,
    tiny_tokenizer,
)
from towers.export import export_query_side
from towers.model import Model, build_model
from towers.storage import save_side
from towers.tokens import TextTokenizer, text_tokenizer
from training.after_fit.photo_encoder import write_photo_encoder

Module = TypeVar("Module", bound=nn.Module)

__all__ = [
    "ALPHA",
    "BERT_WIDTH",
    "CLIP_WIDTH",
    "COMPOSITIONS",
    "MLP_WIDTH",
    "PAD_ID",
    "QUERIES",
    "QUERY_TOKENS",
    "TITLE_TOKENS",
    "forget_towers",
    "shaken",
    "shared_bundle",
    "tiny_bert_config",
    "tiny_bert_specs",
    "tiny_bundle",
    "tiny_clip_config",
    "tiny_clip_specs",
    "tiny_model",
    "tiny_photo_input",
    "tiny_sides",
    "tiny_tokenizer",
    "tiny_tokenizers",
    "with_fields",
]


def tiny_model(composition: str, seed: int = 0) -> Model:
    """A model with random weights, in evaluation mode."""
    torch.manual_seed(seed)
    return shaken(build_model(*tiny_sides(composition)))


def shaken(module: Module) -> Module:
    """The module in evaluation mode with no parameter left at 0 or 1, where leaving it out would not show."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return module.eval()


def tiny_tokenizers(side: SideSpec) -> Mapping[TowerName, TextTokenizer]:
    """The tokenizer of each text tower of a side, with the tower's limits."""
    return {tower.name: text_tokenizer(tiny_tokenizer(), tower.text) for tower in side.text_towers}


def forget_towers(path: Path) -> None:
    """Make an exported encoder what it was before exports had the vectors of towers."""
    model = onnx.load(path)
    del model.graph.output[1:]
    onnx.save(model, path)


def tiny_bundle(path: Path, composition: str = "bibert", *, seed: int = 0, export: bool = True) -> ModelBundle:
    """Write a complete bundle, and open it. Equal bundles are made once in a test run, since exports take seconds.

    Args:
        path: its folder, which must not exist.
        composition: one of COMPOSITIONS.
        seed: of the weights.
        export: write the query side's encoder.onnx, and the photo encoder of a model that has one.
    """
    shutil.copytree(_shared_bundle(composition, seed, export), path)
    return open_bundle(path)


def shared_bundle(composition: str) -> ModelBundle:
    """Open the bundle that `tiny_bundle` copies: its files must not be changed."""
    return open_bundle(_shared_bundle(composition, seed=0, export=True))


def with_fields(bundle: ModelBundle, path: Path, fields: tuple[str, ...]) -> ModelBundle:
    """Copy a bundle into a folder that may be there, and have its product side read fields after the title."""
    shutil.copytree(bundle.path, path, dirs_exist_ok=True)
    (path / CARD_FILE).unlink()
    towers = [
        tower.model_copy(update={"text": tower.text.model_copy(update={"fields": fields})})
        if isinstance(tower, BertTowerSpec)
        else tower
        for tower in bundle.product.towers
    ]
    write_side_spec(path / PRODUCT_SIDE, bundle.product.model_copy(update={"towers": tuple(towers)}))
    finish_bundle(path, bundle.card.origin, bundle.held_out_queries())
    return open_bundle(path)


def _shared_bundle(composition: str, seed: int, export: bool) -> Path:
    name = f"bundle-{composition}-{seed}{'' if export else '-not-exported'}"
    return made_once(name, lambda path: _write_bundle(path, composition, seed, export))


def _write_bundle(path: Path, composition: str, seed: int, export: bool) -> None:
    model = tiny_model(composition, seed)
    names: tuple[TowerName, ...] = ("bibert", "clip")
    tokenizers = {name: tiny_tokenizer() for name in names}
    save_side(model.query, path / QUERY_SIDE, tokenizers)
    if export:
        export_query_side(model.query, path / QUERY_SIDE, QUERIES)
        write_photo_encoder(model, path)
    save_side(model.product, path / PRODUCT_SIDE, tokenizers)
    finish_bundle(path, tiny_origin(composition), QUERIES)
