"""`extends`: what a recipe inherits and what is refused; and the recipes that come with Vitrine, resolved in full."""

import json
from pathlib import Path

import pytest
import yaml

from training.errors import RecipeError
from training.recipes import files
from training.recipes.files import RECIPE_FOLDER, read_recipe, recipe_names
from training.recipes.recipe import load_recipe

# Every recipe in full, as it was before recipes could extend others. Whoever changes a recipe changes it here too.
RESOLVED = json.loads((Path(__file__).parent / "resolved_recipes.json").read_text())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of recipes in place of those that come with Vitrine."""
    monkeypatch.setattr(files, "RECIPE_FOLDER", tmp_path)
    return tmp_path


def write(folder: Path, name: str, **content: object) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"name": name, **content}))
    return path


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_what_its_file_in_full_would_say(name: str) -> None:
    assert load_recipe(name).model_dump(mode="json", exclude_defaults=True) == RESOLVED[name]


def test_every_resolved_recipe_has_a_file() -> None:
    assert sorted(RESOLVED) == recipe_names()


def test_a_recipe_that_extends_another_says_only_what_differs() -> None:
    for name in recipe_names():
        content = yaml.safe_load((RECIPE_FOLDER / f"{name}.yaml").read_text())
        if base := content.pop("extends", None):
            inherited = read_recipe(RECIPE_FOLDER / f"{base}.yaml")
            assert not list(_repeated(inherited, content)), name


def _repeated(base: dict[str, object], difference: dict[str, object]) -> list[str]:
    """Keys whose value is the inherited one."""
    found = []
    for key, value in difference.items():
        inherited = base.get(key)
        if isinstance(inherited, dict) and isinstance(value, dict):
            found += _repeated(inherited, value)
        elif key in base and inherited == value:
            found.append(key)
    return found


def test_mappings_are_merged_at_every_depth_and_everything_else_is_replaced(folder: Path) -> None:
    write(folder, "base", query={"towers": ["a", "b"], "fusion": {"kind": "mlp", "width": 4}}, train=["x", "y"], c=1)
    path = write(folder, "mine", extends="base", query={"fusion": {"width": 8}}, train=["z"], c=None, history={"w": 1})
    assert read_recipe(path) == {
        "name": "mine",
        "query": {"towers": ["a", "b"], "fusion": {"kind": "mlp", "width": 8}},
        "train": ["z"],
        "c": None,
        "history": {"w": 1},
    }


def test_a_chain_is_followed_to_its_end(folder: Path) -> None:
    write(folder, "first", optimisation={"epochs": 1, "batch_size": 8, "temperature": 1})
    write(folder, "second", extends="first", optimisation={"batch_size": 16, "temperature": 2})
    path = write(folder, "third", extends="second", optimisation={"temperature": 3})
    assert read_recipe(path) == {"name": "third", "optimisation": {"epochs": 1, "batch_size": 16, "temperature": 3}}


def test_a_recipe_of_ones_own_may_extend_one_that_comes_along(tmp_path: Path) -> None:
    path = write(tmp_path, "mine", extends="3tmm-history", optimisation={"popularity": 0.5})
    mine, base = load_recipe(str(path)), load_recipe("3tmm-history")
    assert mine.optimisation is not None and base.optimisation is not None
    expected = base.optimisation.model_copy(update={"popularity": 0.5})
    assert mine == base.model_copy(update={"name": "mine", "optimisation": expected})


def test_the_name_is_not_inherited(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: bibert")
    with pytest.raises(RecipeError, match=r"^mine.yaml: name is missing and has no default$"):
        load_recipe(str(path))


@pytest.mark.parametrize("base", ["4tmm", "mine", "bibert.yaml", None, ["bibert"]])
def test_an_unknown_base_is_refused(base: object, tmp_path: Path) -> None:
    path = write(tmp_path, "mine", extends=base)
    with pytest.raises(RecipeError) as refused:
        load_recipe(str(path))
    names = ", ".join(recipe_names())
    assert str(refused.value) == f"mine.yaml: extends is {base!r}, which is no recipe; it may be {names}"


@pytest.mark.parametrize(
    ("bases", "sentence"),
    [
        ({"a": "a"}, "a.yaml: extends leads in a circle: a -> a; remove one of them"),
        ({"a": "b", "b": "a"}, "a.yaml: extends leads in a circle: b -> a -> b; remove one of them"),
        ({"a": "b", "b": "c", "c": "b"}, "c.yaml: extends leads in a circle: b -> c -> b; remove one of them"),
    ],
)
def test_circles_are_refused(bases: dict[str, str], sentence: str, folder: Path) -> None:
    for name, base in bases.items():
        write(folder, name, extends=base)
    with pytest.raises(RecipeError) as refused:
        read_recipe(folder / "a.yaml")
    assert str(refused.value) == sentence
