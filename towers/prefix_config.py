"""Which prefixes a folder of sentence-transformers was trained with, such as E5's "query: " and "passage: "."""

from dataclasses import dataclass
from pathlib import Path

from towers.errors import EncoderError
from towers.pooling_config import read_json

_CONFIG_FILE = "config_sentence_transformers.json"
_OF_DOCUMENTS = (
    "document",
    "passage",
    "corpus",
)  # names of the prompt for documents; the first that is not empty is used


@dataclass(frozen=True)
class Prefixes:
    """What is put before each query and each title."""

    query: str = ""
    product: str = ""


def prefixes_of_folder(folder: Path) -> Prefixes:
    """Return the prefixes that a folder's own configuration names, as its prompts; none where it says nothing.

    Raises:
        EncoderError: the configuration is damaged.
    """
    file = folder / _CONFIG_FILE
    config = read_json(file) if file.is_file() else {}
    prompts = config.get("prompts") or {} if isinstance(config, dict) else None
    if not isinstance(prompts, dict):
        raise EncoderError(f"{file} does not have its prompts as a JSON object")
    product = next((prompts[name] for name in _OF_DOCUMENTS if prompts.get(name)), "")
    return Prefixes(str(prompts.get("query") or ""), str(product))
