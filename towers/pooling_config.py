"""Which pooling a folder of sentence-transformers was trained with."""

import json
from pathlib import Path
from typing import Any, Literal

from towers.errors import EncoderError

Pooling = Literal["mean", "cls"]

MODULES_FILE = "modules.json"
_DEFAULT_FOLDER, _CONFIG_FILE = "1_Pooling", "config.json"
# By the names of sentence-transformers. Divided by the square root of the length, a mean has the same direction.
_KNOWN: dict[str, Pooling] = {"cls": "cls", "cls_token": "cls", "mean": "mean", "mean_tokens": "mean"}
_KNOWN["mean_sqrt_len_tokens"] = "mean"


def pooling_of_folder(folder: Path) -> Pooling | None:
    """Return the pooling that a folder's own configuration names; None where it says nothing of pooling.

    Raises:
        EncoderError: the configuration is damaged, or names a pooling that no tower has.
    """
    file = _pooling_folder(folder) / _CONFIG_FILE
    if not file.is_file():
        return None
    config = _read(file)
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
    modules = _read(folder / MODULES_FILE) if (folder / MODULES_FILE).is_file() else []
    for module in modules if isinstance(modules, list) else []:
        if isinstance(module, dict) and str(module.get("type", "")).endswith(".Pooling"):
            return folder / str(module.get("path", _DEFAULT_FOLDER))
    return folder / _DEFAULT_FOLDER


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise EncoderError(f"{file} cannot be read: {error}") from error
