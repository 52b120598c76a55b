"""The two encoders that a search is made of: which command line makes each, by what was asked for."""

import json
import re
from pathlib import Path

from vitrine.errors import UpError
from vitrine.steps.contents import Content, FileContent

TEXT_RECIPE = "minilm"
_SIGLIP, _SIGLIP_WEIGHTS = "siglip", "webli"  # the one tag of all SigLIP models in open_clip
# What these families are trained with before queries and before products (docs/pretrained-models.md).
_PREFIXES = {
    "e5": ("query: ", "passage: "),
    "bge": ("Represent this sentence for searching relevant passages: ", ""),
}


def text_recipe(asked: str | None, folder: Path) -> str:
    """Return the recipe of the text encoder: a name, or the path of a file, which is written for a pretrained encoder.

    Args:
        asked: a recipe's file, an encoder's folder, or its name OWNER/NAME on the hub; another word is a recipe's name.
        folder: where the recipe of a pretrained encoder is written.
    """
    if asked is None:
        return TEXT_RECIPE
    path = Path(asked)
    if path.suffix in (".yaml", ".yml"):
        return str(path.resolve())
    if not path.is_dir() and "/" not in asked:
        return asked
    pretrained = str(path.resolve()) if path.is_dir() else f"hf-hub:{asked.removeprefix('hf-hub:')}"
    name = f"text-{_last_part(pretrained)}"
    file = folder / f"{name}.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(_recipe_over(pretrained, name), indent=2) + "\n", encoding="utf-8")
    return str(file)


def text_contents(recipe: str) -> tuple[Content, ...]:
    """Return what a fit reads of a recipe that is a file."""
    return (FileContent(Path(recipe)),) if Path(recipe).is_file() else ()


def clip_arguments(asked: str | None) -> tuple[str, ...]:
    """Return the options of `training clip` that load a pretrained pair; none where a small CLIP is trained.

    Args:
        asked: a folder, hf-hub:OWNER/NAME, or ARCHITECTURE:WEIGHTS as open_clip names them.

    Raises:
        UpError: it does not say which weights.
    """
    if asked is None:
        return ()
    if Path(asked).is_dir():
        return ("--pretrained", str(Path(asked).resolve()))
    if asked.startswith("hf-hub:"):
        return ("--pretrained", asked)
    architecture, _, weights = asked.partition(":")
    if not weights and _SIGLIP in architecture.lower():
        weights = _SIGLIP_WEIGHTS
    if not weights:
        raise UpError(f"--image {asked} does not say which weights; give ARCHITECTURE:WEIGHTS as open_clip names them")
    return ("--architecture", architecture, "--pretrained", weights)


def _recipe_over(pretrained: str, name: str) -> dict[str, object]:
    """Return the recipe minilm over another encoder, with all of its layers."""
    prefixes = next(
        (found for family, found in _PREFIXES.items() if family in _last_part(pretrained).lower().split("-")), ("", "")
    )
    tower = {"pretrained": pretrained, "layers": "all"}
    tower |= {key: value for key, value in zip(("query_prefix", "product_prefix"), prefixes, strict=True) if value}
    return {"extends": TEXT_RECIPE, "name": name, "bibert": tower, "optimisation": {"tower_learning_rate": 5.0e-5}}


def _last_part(pretrained: str) -> str:
    """Return the last part of an encoder's name or folder, with dashes for all signs but dots."""
    return re.sub(r"[^\w.-]+", "-", pretrained.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1])
