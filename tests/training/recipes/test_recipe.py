from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from training.errors import RecipeError
from training.recipes.files import recipe_names
from training.recipes.recipe import Recipe, load_recipe
from training.recipes.towers import PretrainedBertRecipe, PretrainedClipRecipe

ROWS_OF_TABLE_2 = {
    "bibert", "clip", "4tmm-cat", "4tmm-alpha", "4tmm-mlp", "4tmm-joint", "4tmm-joint-sn", "4tmm-mlp-sn",
    "3tmm-joint", "3tmm-joint-sn", "3tmm-mlp-sn",
}  # fmt: skip

GOOD = {
    "name": "mine",
    "query": {"towers": ["bibert"]},
    "product": {"towers": ["bibert"]},
    "train": ["bibert"],
    "bibert": {"vocabulary": 500},
    "optimisation": {"epochs": 1, "batch_size": 8, "learning_rate": 0.001},
}
MLP = {"kind": "mlp", "hidden": 8, "width": 4}
FOUR = {"towers": ["bibert", "clip"], "fusion": {"kind": "cat"}}


def write(folder: Path, content: object) -> str:
    path = folder / "mine.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(path)


def test_every_row_of_table_2_is_a_recipe() -> None:
    assert set(recipe_names()) >= ROWS_OF_TABLE_2


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_that_comes_along_is_valid_and_named_after_its_file(name: str) -> None:
    assert load_recipe(name).name == name


@pytest.mark.parametrize("name", sorted(ROWS_OF_TABLE_2))
def test_names_say_what_recipes_do(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.query.towers == (
        ("clip",) if name == "clip" else ("bibert",) if name[0] in "b3" else ("bibert", "clip")
    )
    assert ("clip" in recipe.product.towers) == (name != "bibert")
    assert bool(recipe.optimisation and recipe.optimisation.seen_negatives) == name.endswith("-sn")
    trained = {"joint": ("bibert", "fusion"), "mlp": ("fusion",)}
    kind = name.split("-")[1] if "-" in name else name
    assert recipe.train == trained.get(kind, ("bibert",) if name == "bibert" else ())


@pytest.mark.parametrize(
    ("name", "without"),
    [("3tmm-history", "3tmm-mlp-sn"), ("4tmm-history", "4tmm-mlp-sn"), ("4tmm-alpha-history", "4tmm-alpha")],
)
def test_a_row_of_ours_is_a_row_of_the_paper_with_popularity_and_history(name: str, without: str) -> None:
    recipe, plain = load_recipe(name), load_recipe(without)
    assert recipe.history is not None and plain.history is None
    if recipe.optimisation and plain.optimisation:
        assert recipe.optimisation.popularity == 1 and plain.optimisation.popularity == 0
        length = {"epochs": plain.optimisation.epochs, "least_steps": plain.optimisation.least_steps}
        changed = {"popularity": 0.0, **length}
        recipe = recipe.model_copy(update={"optimisation": recipe.optimisation.model_copy(update=changed)})
    assert recipe.model_copy(update={"name": without, "history": None}) == plain


@pytest.mark.parametrize("name", sorted(ROWS_OF_TABLE_2))
def test_rows_of_the_paper_have_its_loss(name: str) -> None:
    optimisation = load_recipe(name).optimisation
    assert optimisation is None or optimisation.popularity == 0


def test_history_needs_queries_by_bibert() -> None:
    content = load_recipe("clip").model_dump() | {"history": {"weight": 0.5}}
    with pytest.raises(ValidationError, match="history is given, but the query side has no bibert"):
        Recipe.model_validate(content)


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    assert load_recipe(write(tmp_path, GOOD)) == Recipe.model_validate(GOOD)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "mine.yaml: colour is not a known key"),
        ({"name": None}, "mine.yaml: name is None: input should be a valid string"),
        ({"train": ["bert"]}, "mine.yaml: train.0 is 'bert': input should be 'bibert', 'clip' or 'fusion'"),
        (
            {"optimisation": {**GOOD["optimisation"], "learning_rate": -1}},  # type: ignore[dict-item]
            "mine.yaml: optimisation.learning_rate is -1: input should be greater than 0",
        ),
        (
            {"optimisation": {"epochs": 1, "batch_size": 8}},
            "mine.yaml: optimisation.learning_rate is missing and has no default",
        ),
        (
            {"bibert": {"vocabulary": 500, "size": 3}, "query": {"towers": []}},
            "mine.yaml: query.towers: tuple should have at least 1 item after validation, not 0; "
            "bibert.scratch.size is not a known key",
        ),
        (
            {"optimisation": {**GOOD["optimisation"], "seen_negative_weight": 2}},  # type: ignore[dict-item]
            "mine.yaml: optimisation: seen_negative_weight is given, but seen_negatives is false",
        ),
        (
            {"optimisation": {**GOOD["optimisation"], "repeated_products": "twice", "chunk_size": 0}},  # type: ignore[dict-item]
            "mine.yaml: optimisation.repeated_products is 'twice': input should be 'once' or 'each'; "
            "optimisation.chunk_size is 0: input should be greater than or equal to 1",
        ),
        ({"bibert": {"pretrained": "folder", "heads": 3}}, "mine.yaml: bibert.pretrained.heads is not a known key"),
        (
            {"bibert": {"pretrained": "folder", "pooling": "max"}},
            "mine.yaml: bibert.pretrained.pooling is 'max': input should be 'mean' or 'cls'",
        ),
    ],
)
def test_faults_are_named_all_at_once(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, {**GOOD, **change}))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": ["clip"]}, "train names clip, but neither side has that tower"),
        (
            {"train": ["bibert", "fusion"]},
            "train must name fusion if a side has an mlp or a residual fusion, and only then",
        ),
        (
            {"query": {**FOUR, "fusion": MLP}, "product": {**FOUR, "fusion": MLP}},
            "train must name fusion if a side has an mlp or a residual fusion, and only then",
        ),
        ({"optimisation": None}, "optimisation must be given if train names a part, and only then"),
        (
            {"query": {**FOUR, "fusion": {"kind": "alpha", "choices": [0.5]}}, "product": FOUR},
            "fusion alpha must stand on both sides",
        ),
        (
            {"train": [], "optimisation": None},
            "bibert is given as a tower to train from scratch, but train does not name it",
        ),
        ({"clip": {"pretrained": "dfn5b"}}, "clip is given, but neither side has that tower"),
    ],
)
def test_parts_that_do_not_go_together(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(write(tmp_path, {**GOOD, **change}))


def test_a_pretrained_tower_may_be_trained_or_frozen_and_is_never_asked_for_as_a_bundle() -> None:
    given = {"bibert": {"pretrained": "folder"}, "clip": {"pretrained": "dfn5b", "architecture": "ViT-H-14"}}
    both = {**GOOD, **given, "query": FOUR, "product": FOUR}
    trained = Recipe.model_validate(both)
    frozen = Recipe.model_validate({**both, "train": [], "optimisation": None})
    assert trained.fitted_towers == frozen.fitted_towers == []
    assert trained.scratch_parts == frozenset()
    assert isinstance(trained.bibert, PretrainedBertRecipe) and trained.bibert.layers == "all"
    assert isinstance(trained.clip, PretrainedClipRecipe)
    assert Recipe.model_validate(trained.model_dump(mode="json")) == trained


@pytest.mark.parametrize("layers", ["all", 1, (0, 2, 5), (3,)])
def test_layers_of_a_pretrained_encoder(layers: object) -> None:
    recipe = PretrainedBertRecipe.model_validate({"pretrained": "folder", "layers": layers})
    assert recipe.layers == layers
    assert PretrainedBertRecipe.model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize("layers", [0, -1, True, "some", [], [2, 1], [1, 1], [-1, 2], [0.5], None, "3"])
def test_layers_that_cannot_be_kept_are_refused(tmp_path: Path, layers: object) -> None:
    with pytest.raises(
        RecipeError, match=r"bibert\.pretrained\.layers.*: expected 'all', how many of the first layers"
    ):
        load_recipe(write(tmp_path, {**GOOD, "bibert": {"pretrained": "folder", "layers": layers}}))


def test_what_starts_from_random_weights() -> None:
    assert load_recipe("bibert").scratch_parts == {"bibert"}
    assert load_recipe("clip-small").scratch_parts == {"clip"}
    assert load_recipe("4tmm-joint").scratch_parts == {"fusion"}


def test_unknown_names_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"^no recipe is called '4tmm'; there are 3tmm-history, .*bibert, bibert-fields, clip"
    ):
        load_recipe("4tmm")
    with pytest.raises(RecipeError, match=r"nowhere.yaml cannot be read: No such file or directory"):
        load_recipe(str(tmp_path / "nowhere.yaml"))
    with pytest.raises(RecipeError, match=r"mine.yaml is not YAML"):
        load_recipe(write(tmp_path, "name: [unclosed"))


@pytest.mark.parametrize(
    ("pairs", "devices", "batch_size"), [(100, 3, 10), (10, 1, 10), (9, 1, 9), (9, 2, 8), (2, 1, 2), (5, 5, 5)]
)
def test_pairs_that_do_not_fill_a_batch_are_one_that_devices_can_share(
    pairs: int, devices: int, batch_size: int
) -> None:
    content = {**GOOD, "optimisation": {"epochs": 2, "batch_size": 10, "learning_rate": 1}}
    optimisation = Recipe.model_validate(content).optimisation
    assert optimisation is not None
    assert optimisation.for_pairs(pairs, devices) == optimisation.model_copy(update={"batch_size": batch_size})


@pytest.mark.parametrize(("pairs", "least", "steps"), [(100, 1, 20), (100, 50, 50), (7, 1, 1)])
def test_steps_are_whole_batches_of_the_epochs_and_at_least_so_many(pairs: int, least: int, steps: int) -> None:
    content = {**GOOD, "optimisation": {"epochs": 2, "batch_size": 10, "learning_rate": 1, "least_steps": least}}
    optimisation = Recipe.model_validate(content).optimisation
    assert optimisation is not None and optimisation.steps(pairs) == steps


@pytest.mark.parametrize(
    ("pairs", "most", "steps"),
    [
        (1000, 4, 200),  # the bound is above the epochs
        (100, 4, 40),  # fewer than `least_steps`
        (35, 4, 14),
        (10, 2.5, 2),
        (1, 4, 1),
    ],
)
def test_no_pair_is_used_more_often_than_the_bound(pairs: int, most: float, steps: int) -> None:
    chosen = {"epochs": 2, "batch_size": 10, "learning_rate": 1, "least_steps": 50, "most_epochs": most}
    optimisation = Recipe.model_validate({**GOOD, "optimisation": chosen}).optimisation
    assert optimisation is not None and optimisation.steps(pairs) == steps


def test_a_bound_below_the_epochs_is_refused() -> None:
    chosen = {"epochs": 2, "batch_size": 10, "learning_rate": 1, "most_epochs": 1}
    with pytest.raises(ValidationError, match="most_epochs is 1, below epochs, 2"):
        Recipe.model_validate({**GOOD, "optimisation": chosen})
