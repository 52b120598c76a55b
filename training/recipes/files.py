"""Recipe files: their names, their content, and `extends`, by which a recipe states only what it changes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from training.errors import RecipeError

RECIPE_FOLDER = Path(__file__).parent
EXTENDS = "extends"


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with Vitrine, sorted."""
    return sorted(path.stem for path in RECIPE_FOLDER.glob("*.yaml"))


def recipe_path(name_or_path: str) -> Path:
    """Return the file of a recipe that comes with Vitrine, or the path of a .yaml file as it was given.

    Raises:
        RecipeError: it is no path of a .yaml file, and no recipe has this name.
    """
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml"):
        return path
    if name_or_path not in recipe_names():
        raise RecipeError(
            f"no recipe is called {name_or_path!r}; there are {', '.join(recipe_names())}, "
            "or give the path of a .yaml file"
        )
    return RECIPE_FOLDER / f"{name_or_path}.yaml"


def read_recipe(path: Path) -> Any:
    """Return the content of a recipe file with everything that it inherits by `extends`, not yet checked.

    Mappings are merged key by key, at every depth; any other value, also a list or null, replaces the one that is
    inherited. `name` is not inherited.

    Raises:
        RecipeError: a file cannot be read or is no YAML, or `extends` names no recipe or leads in a circle.
    """
    return _read(path, ())


def _read(path: Path, extending: tuple[str, ...]) -> Any:
    """Return the resolved content of a file.

    Args:
        path: the file.
        extending: the names that `extends` led through so far, to find circles.
    """
    content = _read_yaml(path)
    if not isinstance(content, dict) or EXTENDS not in content:
        return content
    base = content[EXTENDS]
    if base not in recipe_names():
        raise RecipeError(
            f"{path.name}: extends is {base!r}, which is no recipe; it may be {', '.join(recipe_names())}"
        )
    chain = (*extending, base)
    if base in extending:
        raise RecipeError(f"{path.name}: extends leads in a circle: {' -> '.join(chain)}; remove one of them")
    inherited = _read(RECIPE_FOLDER / f"{base}.yaml", chain)
    without_name = {key: value for key, value in inherited.items() if key != "name"}
    return _merged(without_name, {key: value for key, value in content.items() if key != EXTENDS})


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{path} is not YAML: {error}") from error


def _merged(base: Mapping[str, Any], difference: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with the values of another, merged where both are mappings."""
    both = {key: _merged(base[key], value) for key, value in difference.items() if _are_mappings(base.get(key), value)}
    return {**base, **difference, **both}


def _are_mappings(*values: Any) -> bool:
    return all(isinstance(value, Mapping) for value in values)
