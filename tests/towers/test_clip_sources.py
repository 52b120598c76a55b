"""Where a pretrained CLIP comes from: a tag, a folder with its own configuration, or the hub; nothing is downloaded."""

import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip import factory, pretrained
from open_clip.model import CustomTextCLIP
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import save_file

from tests.support.models import shaken
from tests.towers.test_clip import TINY_CONFIG, Trap
from towers.clip import build_clip, build_image_tower, build_text_tower, clip_config, load_pretrained
from towers.clip_tokenizer import portable_tokenizer
from towers.errors import ClipError

TINY = "vitrine-test-sources"
PREPROCESS = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "interpolation": "bilinear", "resize_mode": "squash"}
QUICK = {**TINY_CONFIG, "quick_gelu": True}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> CustomTextCLIP:
    """A model with QuickGELU, whose architecture is known to open_clip without it, as DFN's are."""
    path = tmp_path_factory.mktemp("configs") / f"{TINY}.json"
    path.write_text(json.dumps(TINY_CONFIG))
    open_clip.add_model_config(path)
    torch.manual_seed(3)
    model = shaken(open_clip.create_model(TINY, force_custom_text=True, force_quick_gelu=True))
    assert isinstance(model, CustomTextCLIP)
    return model


@pytest.fixture(params=["open_clip_model.safetensors", "open_clip_pytorch_model.bin"])
def folder(request: pytest.FixtureRequest, quick: CustomTextCLIP, tmp_path: Path) -> Path:
    """A folder as the hub has it."""
    path = tmp_path / "some-clip"
    path.mkdir()
    (path / "open_clip_config.json").write_text(json.dumps({"model_cfg": QUICK, "preprocess_cfg": PREPROCESS}))
    state = {name: tensor.contiguous() for name, tensor in quick.state_dict().items()}
    if request.param.endswith(".bin"):
        torch.save(state, path / request.param)
    else:
        save_file(state, path / request.param)
    return path


@torch.inference_mode()
def check_loaded(quick: CustomTextCLIP, architecture: str | None, name: str) -> Any:
    """Loads it, compares both towers with open_clip's, and gives its configuration's name and photo input."""
    loaded = load_pretrained(architecture, name)
    pixels, ids = torch.randn(3, 3, 20, 16), loaded.tokenizer(["red shoe", "a", "one two three four five six"])
    for text, image in (
        (loaded.text, loaded.image),
        (build_text_tower(loaded.config).eval(), build_image_tower(loaded.config).eval()),  # as a bundle rebuilds them
    ):
        text.load_state_dict(loaded.text.state_dict())
        image.load_state_dict(loaded.image.state_dict())
        torch.testing.assert_close(text(ids), quick.encode_text(ids))
        torch.testing.assert_close(image.encode_pixels(pixels), quick.encode_image(pixels))
    return loaded.config.architecture, loaded.photo


def test_another_activation_would_show(quick: CustomTextCLIP) -> None:
    other = build_clip(clip_config(TINY)).eval()
    other.load_state_dict(quick.state_dict())
    ids = torch.randint(1, 49000, (2, 12))
    assert not torch.allclose(other.encode_text(ids), quick.encode_text(ids), atol=1e-3)


def test_a_tag_is_run_with_the_activation_and_the_preprocessing_it_was_trained_with(
    quick: CustomTextCLIP, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = str(next(path for path in folder.iterdir() if path.suffix != ".json"))
    tag = {"file": weights, "quick_gelu": True, **PREPROCESS}  # `file`: open_clip takes it in place of a download
    monkeypatch.setitem(pretrained._PRETRAINED, TINY, {"dfn5b": tag})
    name, photo = check_loaded(quick, TINY, "dfn5b")
    assert (name, photo.resize_mode, photo.interpolation) == (TINY, "squash", "bilinear")
    assert photo.mean == (0.1, 0.2, 0.3)


def test_a_folder_brings_its_own_configuration(quick: CustomTextCLIP, folder: Path) -> None:
    name, photo = check_loaded(quick, None, str(folder))
    assert (name, photo.resize_mode, photo.std) == ("some-clip", "squash", (0.4, 0.5, 0.6))


def test_a_name_of_the_hub_goes_open_clips_own_way(
    quick: CustomTextCLIP, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_the_folder(model_id: str, filename: str | None = None, cache_dir: str | None = None) -> str:
        assert model_id == "shop/some-clip"
        return str(folder / filename if filename else next(p for p in folder.iterdir() if p.suffix != ".json"))

    monkeypatch.setattr(factory, "download_pretrained_from_hf", in_the_folder)
    name, photo = check_loaded(quick, None, "hf-hub:shop/some-clip")
    assert (name, photo.resize_mode) == ("shop/some-clip", "squash")


def test_a_folders_weights_are_not_unpickled(quick: CustomTextCLIP, tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": QUICK}))
    torch.save({"state_dict": quick.state_dict(), "trap": Trap(tmp_path / "sprung")}, tmp_path / "model.pth")
    with pytest.raises(ClipError, match=f"'{tmp_path}' cannot be loaded as {tmp_path.name}: Weights only load failed"):
        load_pretrained(None, str(tmp_path))
    assert not (tmp_path / "sprung").exists()


def test_timms_weights_are_never_asked_for(tmp_path: Path) -> None:
    vision = {"timm_model_name": "vitrine_resnet", "timm_model_pretrained": True, "image_size": [80, 60]}
    config = {"model_cfg": {**TINY_CONFIG, "vision_cfg": vision}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(ClipError, match=r"Required pretrained weights .* could not be loaded"):
        load_pretrained(None, str(tmp_path))


@pytest.mark.parametrize(
    ("architecture", "name", "message"),
    [
        (None, "dfn5b",
         "'dfn5b' is no folder with open_clip_config.json and no hf-hub: name; "
         "for a tag or a checkpoint file, name the architecture too"),
        ("ViT-H-14", "{folder}", "'{folder}' has its own architecture; leave 'ViT-H-14' out"),
        (None, "{empty}", "open_clip_config.json of '{empty}' cannot be read: [Errno 2] No such file or directory: "
         "'{empty}/open_clip_config.json'"),
        (None, "{odd}", "odd: the record: the model configuration of odd lacks embed_dim, vision_cfg, text_cfg"),
    ],
)  # fmt: skip
def test_sources_that_do_not_go(
    architecture: str | None, name: str, message: str, folder: Path, tmp_path: Path
) -> None:
    places = {"folder": folder, "empty": tmp_path / "empty", "odd": tmp_path / "odd"}
    for place in places.values():
        place.mkdir(exist_ok=True)
    (places["odd"] / "open_clip_config.json").write_text('{"model_cfg": {}}')
    with pytest.raises(ClipError) as caught:
        load_pretrained(architecture, name.format(**places))
    assert str(caught.value) == message.format(**places)


DFN = [name for name, tag in open_clip.list_pretrained() if tag.startswith("dfn")]


def test_the_papers_clip_is_known_by_name_and_tag() -> None:
    assert "dfn5b" in open_clip.list_pretrained_tags_by_model("ViT-H-14-quickgelu")
    assert len(DFN) > 8


@pytest.mark.parametrize("architecture", sorted({*DFN}))
def test_every_dfn_clip_has_a_configuration_and_a_tokenizer_that_can_be_served(architecture: str) -> None:
    assert clip_config(architecture).context_length == 77
    tokenizer = open_clip.get_tokenizer(architecture)
    assert isinstance(tokenizer, SimpleTokenizer)
    ids = portable_tokenizer(tokenizer).encode("red shoe").ids
    assert ids == tokenizer(["red shoe"])[0][: len(ids)].tolist()


def test_weights_that_are_no_numbers_are_refused(quick: CustomTextCLIP, folder: Path) -> None:
    state = {name: tensor.contiguous().clone() for name, tensor in quick.state_dict().items()}
    state["visual.proj"][0, 0] = torch.nan
    path = next(path for path in folder.iterdir() if path.suffix != ".json")
    torch.save(state, path) if path.suffix == ".bin" else save_file(state, path)
    with pytest.raises(ClipError) as caught:
        load_pretrained(None, str(folder))
    assert str(caught.value) == f"'{folder}' has NaN or infinity in visual.proj; take another checkpoint"


def test_a_pointer_of_git_lfs_is_named_as_such(folder: Path) -> None:
    path = next(path for path in folder.iterdir() if path.suffix != ".json")
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    for architecture, name in ((None, str(folder)), (TINY, str(path))):
        with pytest.raises(ClipError) as caught:
            load_pretrained(architecture, name)
        assert str(caught.value) == f"{path} is a pointer of Git LFS, not the weights; fetch them with: git lfs pull"
