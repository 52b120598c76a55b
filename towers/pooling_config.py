"""Which pooling a folder of sentence-transformers was trained with, and whether more follows it."""

import json
from pathlib import Path
from typing import Any, Literal

from towers.errors import EncoderError

Pooling = Literal["mean", "cls"]

MODULES_FILE = "modules.json"
_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")  # without the last, vectors have the same directions
_DEFAULT_FOLDER, _CONFIG_FILE = "1_Pooling", "config.json"
# By the names of sentence-transformers. Divided by the square root of the length, a mean has the same direction.
_KNOWN: dict[str, Pooling] = {"cls": "cls", "cls_token": "cls", "mean": "mean", "mean_tokens": "mean"}
_KNOWN["mean_sqrt_len_tokens"] = "mean"


def check_modules(folder: Path) -> None:
    """Refuse a folder whose vectors are computed with more than an encoder, its pooling and a division by the length.

    Raises:
        EncoderError: modules.json names another module, or is damaged.
    """
    more = [kind for kind in _modules(folder) if kind not in _KNOWN_MODULES]
    if more:
        raise EncoderError(
            f"{folder / MODULES_FILE} names the module {more[0]}, which a text tower does not have; to start from the "
            "encoder without it, name the pooling with `pooling` in the recipe"
        )


def pools_prefixes(folder: Path) -> bool:
    """Return whether the tokens of a prefix are pooled too; a folder's own configuration may exclude them."""
    file = _pooling_folder(folder) / _CONFIG_FILE
    config = read_json(file) if file.is_file() else {}
    return not isinstance(config, dict) or config.get("include_prompt") is not False


def pooling_of_folder(folder: Path) -> Pooling | None:
    """Return the pooling that a folder's own configuration names; None where it says nothing of pooling.

    Raises:
        EncoderError: the configuration is damaged, or names a pooling that no tower has.
    """
    file = _pooling_folder(folder) / _CONFIG_FILE
    if not file.is_file():
        return None
    config = read_json(file)
    if not isinstance(config, dict):
        raise EncoderError(f"{file} is no JSON object")
    modes = _modes(config)
    if not modes:
        return None
    known = {_KNOWN.get(mode) for mode in modes}
    if known not in ({"cls"}, {"mean"}):
        raise EncoderError(
            f"{file} names the pooling {' and '.join(modes)}, and a text tower has mean or cls; "
            "name the one to take with `pooling` in the recipe"
        )
    return known.pop()


def _modes(config: dict[str, Any]) -> list[str]:
    """Return the pooling modes that a configuration turns on, in its newer or older form."""
    newer = config.get("pooling_mode")
    if newer is not None:
        return [str(mode) for mode in (newer if isinstance(newer, list) else [newer])]
    return [key.removeprefix("pooling_mode_") for key, on in config.items() if key.startswith("pooling_mode_") and on]


def _pooling_folder(folder: Path) -> Path:
    return folder / _modules(folder).get("Pooling", _DEFAULT_FOLDER)


def _modules(folder: Path) -> dict[str, str]:
    """Return the folder of each module of sentence-transformers, by the name of its kind."""
    modules = read_json(folder / MODULES_FILE) if (folder / MODULES_FILE).is_file() else []
    return {
        str(module.get("type", "")).rpartition(".")[2]: str(module.get("path", _DEFAULT_FOLDER))
        for module in (modules if isinstance(modules, list) else [])
        if isinstance(module, dict)
    }


def read_json(file: Path) -> Any:
    """Return the content of a JSON file of an encoder's folder.

    Raises:
        EncoderError: it cannot be read.
    """
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise EncoderError(f"{file} cannot be read: {error}") from error
