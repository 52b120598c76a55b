"""A CLIP from a checkpoint on disk becomes a bundle that encodes as open_clip does."""

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from artifacts.bundle import open_bundle
from towers.query_encoder import OnnxQueryEncoder
from towers.side_encoder import Products, SideEncoder
from towers.storage import load_side
from training.cli import app

pytestmark = pytest.mark.integration

ARCHITECTURE = "test-tiny-vit"
CONFIG = """{"embed_dim": 32, "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16,
"patch_size": 8}, "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}}"""


def test_the_clip_command_takes_a_checkpoint(shop: Path, tmp_path: Path) -> None:
    (tmp_path / f"{ARCHITECTURE}.json").write_text(CONFIG)
    open_clip.add_model_config(tmp_path / f"{ARCHITECTURE}.json")
    torch.manual_seed(0)
    model = open_clip.create_model(ARCHITECTURE).eval()
    save_file(model.state_dict(), tmp_path / "clip.safetensors")
    result = CliRunner().invoke(
        app,
        ["clip", "--catalog", str(shop / "catalog.parquet"), "--out", str(tmp_path / "bundle"),
         "--architecture", ARCHITECTURE, "--pretrained", str(tmp_path / "clip.safetensors")],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    bundle = open_bundle(tmp_path / "bundle")

    queries = ["a red striped mug", "women's dress"]
    with torch.no_grad():
        expected = model.encode_text(open_clip.get_tokenizer(ARCHITECTURE)(queries), normalize=True).numpy()
    encoder = OnnxQueryEncoder(bundle.query_folder, bundle.query)
    np.testing.assert_allclose(encoder.encode(queries), expected, atol=1e-5)

    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 40, 3), dtype=np.uint8))
    photo.save(tmp_path / "photo.png")
    preprocess = open_clip.image_transform(32, is_train=False)
    with torch.no_grad():
        expected = model.encode_image(preprocess(photo)[None], normalize=True).numpy()
    side = SideEncoder(load_side(bundle.product_folder), {})
    found = side.products(Products(titles=[""], images=["photo.png"], folder=tmp_path))
    np.testing.assert_allclose(found, expected, atol=2e-3)
