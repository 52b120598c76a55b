"""CLIP's towers against open_clip's own model, and what cannot be loaded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip.model import CustomTextCLIP
from safetensors.torch import save_file

from artifacts.tower_specs import ClipConfig
from tests.support.models import CLIP_WIDTH, shaken, tiny_clip_config
from towers.clip import (
    ClipTextTower,
    build_clip,
    build_image_tower,
    build_text_tower,
    clip_config,
    load_pretrained,
    photo_input,
)
from towers.clip_image import ClipImageTower, PhotoBatch
from towers.clip_tokenizer import needs_full_context
from towers.errors import ClipError
from towers.small_clip import SMALL_CLIP

TINY = "vitrine-test-tiny"  # registered with open_clip: a real architecture with its own tokenizer
TINY_CONFIG: dict[str, Any] = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": [20, 16], "patch_size": 4, "width": 16, "head_width": 8, "layers": 1},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
END = 49407


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> CustomTextCLIP:
    """A model of the tiny architecture with weights of its own."""
    path = tmp_path_factory.mktemp("configs") / f"{TINY}.json"
    path.write_text(json.dumps(TINY_CONFIG))
    open_clip.add_model_config(path)
    torch.manual_seed(3)
    model = shaken(open_clip.create_model(TINY, force_custom_text=True))
    assert isinstance(model, CustomTextCLIP)
    return model


@pytest.fixture(scope="module")
def checkpoint(tiny: CustomTextCLIP, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints") / "tiny.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tiny.state_dict().items()}, path)
    return path


def padded_texts(length: int, end: int, highest: int) -> torch.Tensor:
    """Random texts of all lengths: ids, the end token, then padding with 0."""
    ids = torch.zeros(length - 1, length, dtype=torch.int64)
    for row in range(length - 1):
        ids[row, : row + 1] = torch.randint(1, highest, (row + 1,), generator=torch.manual_seed(row))
        ids[row, row + 1] = end
    return ids


TEXT_OPTIONS: list[dict[str, object]] = [
    {},
    {"pool_type": "first"},
    {"pool_type": "eos", "eos_id": 88},
    {"proj_bias": True},
    {"proj_type": "none", "width": CLIP_WIDTH},
    {"no_causal_mask": True, "pool_type": "first"},
    {"pool_type": "last"},
    {"no_causal_mask": True},
]


@pytest.mark.parametrize("options", TEXT_OPTIONS, ids=str)
@torch.inference_mode()
def test_text_vectors_are_open_clips(options: dict[str, object]) -> None:
    torch.manual_seed(0)
    config = tiny_clip_config(**options)
    clip = shaken(build_clip(config))
    tower, ids = ClipTextTower(clip.text), padded_texts(10, end=88, highest=80)
    expected = clip.encode_text(ids)
    assert expected.shape == (9, CLIP_WIDTH)
    torch.testing.assert_close(tower(ids), expected, atol=1e-6, rtol=1e-5)
    if needs_full_context(config):
        return
    for row, text in enumerate(ids):  # without any padding, as queries are served
        torch.testing.assert_close(tower(text[None, : row + 2])[0], expected[row], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        ({}, False),
        ({"pool_type": "first"}, False),
        ({"pool_type": "last"}, True),
        ({"no_causal_mask": True}, True),
        ({"no_causal_mask": False, "pool_type": "argmax"}, False),
    ],
)
def test_padding_is_needed_where_it_counts(options: dict[str, object], needed: bool) -> None:
    assert needs_full_context(tiny_clip_config(**options)) is needed


def test_vitrine_small_is_built_by_its_name() -> None:
    config = clip_config(SMALL_CLIP)
    clip = build_clip(config).eval()
    photos = torch.randn(2, 3, 80, 60)
    with torch.inference_mode():
        assert clip.encode_image(photos).shape == (2, 256)
        assert clip.encode_text(torch.randint(0, 8000, (3, config.context_length))).shape == (3, 256)
    assert config.architecture == "vitrine-small"


@pytest.mark.parametrize("config", [tiny_clip_config(), clip_config(SMALL_CLIP)], ids=["vit", "timm"])
def test_a_tower_alone_has_the_weights_of_the_whole(config: ClipConfig) -> None:
    clip = build_clip(config)

    def shapes(module: torch.nn.Module) -> dict[str, torch.Size]:
        return {name: tensor.shape for name, tensor in module.state_dict().items()}

    text, image = build_text_tower(config), build_image_tower(config)
    assert shapes(text.text) == shapes(clip.text)
    assert shapes(image.visual) == shapes(clip.visual)
    assert image.no_image.shape == (config.model["embed_dim"],)


def test_building_leaves_the_configuration_alone() -> None:
    config = tiny_clip_config()
    before = config.model_dump_json()
    build_text_tower(config)
    build_image_tower(config)
    assert config.model_dump_json() == before


def test_what_is_not_understood_is_refused() -> None:
    config = tiny_clip_config()
    strange = ClipConfig(architecture="odd", model={**config.model, "multimodal_cfg": {}, "audio_cfg": {}})
    with pytest.raises(ClipError) as caught:
        build_clip(strange)
    assert str(caught.value) == "odd: audio_cfg, multimodal_cfg is not supported"


@pytest.fixture
def image_tower() -> ClipImageTower:
    torch.manual_seed(4)
    tower = shaken(build_image_tower(tiny_clip_config()))
    tower.no_image.copy_(torch.randn(CLIP_WIDTH))
    return tower


@torch.inference_mode()
def test_a_mixed_batch_keeps_its_order(image_tower: ClipImageTower) -> None:
    pixels = torch.randn(3, 3, 16, 16)
    vectors = image_tower(PhotoBatch(pixels, torch.tensor([False, True, False, True, True])))
    assert torch.equal(vectors[0], image_tower.no_image)
    assert torch.equal(vectors[2], image_tower.no_image)
    torch.testing.assert_close(vectors[[1, 3, 4]], image_tower.visual(pixels), atol=1e-6, rtol=0)
    for row, product in enumerate((1, 3, 4)):
        alone = image_tower(PhotoBatch(pixels[row : row + 1], torch.tensor([True])))
        torch.testing.assert_close(vectors[product], alone[0], atol=1e-6, rtol=0)


@torch.inference_mode()
def test_products_without_any_photo_all_get_the_no_image_vector(image_tower: ClipImageTower) -> None:
    vectors = image_tower(PhotoBatch(torch.empty(0, 3, 16, 16), torch.tensor([False, False])))
    assert torch.equal(vectors, image_tower.no_image.expand(2, -1))


def test_the_no_image_vector_is_not_overwritten_by_a_batch(image_tower: ClipImageTower) -> None:
    before = image_tower.no_image.clone()
    image_tower(PhotoBatch(torch.randn(1, 3, 16, 16), torch.tensor([True, False])))
    assert torch.equal(image_tower.no_image, before)


def test_a_fresh_no_image_vector_has_unit_length_and_is_saved() -> None:
    tower = build_image_tower(tiny_clip_config())
    torch.testing.assert_close(tower.no_image.norm(), torch.tensor(1.0))
    assert "no_image" in tower.state_dict()
    assert "no_image" not in dict(tower.named_parameters())


@pytest.mark.parametrize("kind", ["safetensors", "pt", "wrapped", "parallel"])
@torch.inference_mode()
def test_a_local_checkpoint_gives_open_clips_vectors(
    tiny: CustomTextCLIP, checkpoint: Path, tmp_path: Path, kind: str
) -> None:
    path, state = checkpoint, tiny.state_dict()
    if kind != "safetensors":
        path = tmp_path / "tiny.pt"
        parallel = {f"module.{name}": tensor for name, tensor in state.items()}
        torch.save({"pt": state, "wrapped": {"state_dict": state}, "parallel": parallel}[kind], path)
    loaded = load_pretrained(TINY, str(path))
    assert loaded.config == ClipConfig(architecture=TINY, model=TINY_CONFIG)
    assert not loaded.text.training and not loaded.image.training
    assert (loaded.photo.height, loaded.photo.width) == (20, 16)
    assert loaded.photo.mean == open_clip.constants.OPENAI_DATASET_MEAN
    pixels, ids = (
        torch.randn(3, 3, 20, 16),
        loaded.tokenizer(["red shoe", "a", "one two three four five six"]),
    )
    torch.testing.assert_close(loaded.image.encode_pixels(pixels), tiny.encode_image(pixels))
    torch.testing.assert_close(loaded.text(ids), tiny.encode_text(ids))
    assert ids.max() == END


def test_an_unknown_architecture_is_refused() -> None:
    for name in ("ViT-Z-99", "hf-hub:some/model", "local-dir:/nowhere"):
        with pytest.raises(ClipError) as caught:
            load_pretrained(name, "openai")
        assert str(caught.value) == (
            f"{name!r} is no CLIP architecture that open_clip knows; "
            "`python -c 'import open_clip; print(open_clip.list_models())'` lists them"
        )


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        (
            "roberta-ViT-B-32",
            "'roberta-ViT-B-32' reads text through a Hugging Face encoder, whose weights are not its own; "
            "choose an architecture with open_clip's text transformer",
        ),
        (
            "coca_ViT-B-32",
            "'coca_ViT-B-32' is a CoCa, whose text encoder also writes captions; choose an architecture that is a CLIP",
        ),
    ],
)
def test_architectures_of_other_kinds_are_refused(architecture: str, reason: str) -> None:
    with pytest.raises(ClipError) as caught:
        clip_config(architecture)
    assert str(caught.value) == reason


def test_an_unknown_tag_is_refused_with_those_there_are(tiny: CustomTextCLIP) -> None:
    with pytest.raises(ClipError) as caught:
        load_pretrained(TINY, "dfn5b")
    assert str(caught.value) == (f"'dfn5b' is neither a file nor a pretrained tag of {TINY}; its tags are none")
    with pytest.raises(ClipError, match=r"; its tags are .*dfn5b"):
        load_pretrained("ViT-H-14-quickgelu", "nowhere.safetensors")


def test_a_checkpoint_that_lacks_a_tensor_is_refused(tiny: CustomTextCLIP, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    save_file({name: t.contiguous() for name, t in tiny.state_dict().items() if name != "text.ln_final.bias"}, path)
    with pytest.raises(ClipError) as caught:
        load_pretrained(TINY, str(path))
    assert str(caught.value) == (
        f"'{path}' cannot be loaded as {TINY}: Error(s) in loading state_dict for CustomTextCLIP: "
        'Missing key(s) in state_dict: "text.ln_final.bias".'
    )


def test_a_checkpoint_of_another_architecture_is_refused_in_one_line(checkpoint: Path, tiny: CustomTextCLIP) -> None:
    with pytest.raises(ClipError) as caught:
        load_pretrained("ViT-S-32-alt", str(checkpoint))
    assert str(caught.value).startswith(f"'{checkpoint}' cannot be loaded as ViT-S-32-alt: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


class Trap:
    """Runs a program when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_checkpoint_is_not_unpickled(tiny: CustomTextCLIP, tmp_path: Path) -> None:
    path, sprung = tmp_path / "trap.pt", tmp_path / "sprung"
    torch.save({"state_dict": tiny.state_dict(), "trap": Trap(sprung)}, path)
    with pytest.raises(ClipError, match="cannot be loaded as vitrine-test-tiny: Weights only load failed"):
        load_pretrained(TINY, str(path))
    assert not sprung.exists()
    act, arguments = Trap(sprung).__reduce__()
    act(*arguments)
    assert sprung.exists(), "the trap itself does nothing: the test shows nothing"


@pytest.mark.parametrize("name", ["x.safetensors", "x.pt", "x.npz"])
@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"\x80\x02]q\x00."])
def test_files_that_are_no_checkpoint_are_refused(
    tiny: CustomTextCLIP, tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ClipError) as caught:
        load_pretrained(TINY, str(path))
    assert str(caught.value).startswith(f"'{path}' cannot be loaded as {TINY}: ")


def test_a_model_with_fewer_tokens_than_its_tokenizer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    save_file({n: t.contiguous() for n, t in build_clip(clip_config(SMALL_CLIP)).state_dict().items()}, path)
    with pytest.raises(ClipError) as caught:
        load_pretrained(SMALL_CLIP, str(path))
    assert str(caught.value) == (
        "vitrine-small reads 8000 token ids, but its tokenizer gives 49408; "
        "a CLIP that was fitted by Vitrine is used by its bundle, not by its checkpoint"
    )


@pytest.mark.parametrize(("size", "height", "width"), [(224, 224, 224), ((80, 60), 80, 60), ([80, 60], 80, 60)])
def test_open_clips_preprocessing_becomes_ours(size: Any, height: int, width: int) -> None:
    given = {"size": size, "mode": "RGB", "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "fill_color": 0}
    photo = photo_input({**given, "interpolation": "bilinear", "resize_mode": "squash"})
    assert (photo.height, photo.width) == (height, width)
    assert (photo.mean, photo.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert (photo.interpolation, photo.resize_mode) == ("bilinear", "squash")
    plain = photo_input(given)
    assert (plain.interpolation, plain.resize_mode) == ("bicubic", "shortest")
    assert photo_input({**given, "interpolation": "random"}).interpolation == "bicubic"
