"""What makes a fit impossible is refused before a model is built, or at the latest before its first step."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from artifacts.bundle import ModelBundle
from artifacts.dataset import Dataset
from artifacts.tower_specs import TowerName
from tests.support.folders import write_hollow_bundle
from tests.training.small_recipes import small
from towers.errors import TowerError
from towers.vector_cache import VectorCache
from training.batches.training_data import TrainingData, data_from_catalog, data_from_dataset
from training.errors import FitError, RecipeError
from training.fitting import fit as fit_module
from training.fitting.fit import fit
from training.fitting.request import FitRequest
from training.recipes.recipe import Recipe

Change = Callable[[FitRequest], FitRequest]


@pytest.fixture(scope="module")
def data(dataset: Dataset) -> TrainingData:
    return data_from_dataset(dataset.path)


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> dict[TowerName, ModelBundle]:
    """Bundles with the specifications of both towers and no weights: more is not read before a fit is refused."""
    bundle = write_hollow_bundle(tmp_path_factory.mktemp("towers") / "both", "cat")
    return {"bibert": bundle, "clip": bundle}


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture(autouse=True)
def no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is encoded, trained or written."""

    def unexpected(*_: object) -> None:
        pytest.fail("the fit went on")

    for name in ("run", "tower_sources", "set_no_image", "add_history", "validate", "write_bundle"):
        monkeypatch.setattr(fit_module, name, unexpected)


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_module, "starting_model", lambda *_: pytest.fail("a model was built"))


def with_bundles(*names: TowerName) -> Change:
    return lambda request: replace(request, fitted={name: request.fitted[name] for name in names})


def with_data(**changes: Any) -> Change:
    return lambda request: replace(request, data=replace(request.data, **changes))


def with_text_alone(request: FitRequest) -> FitRequest:
    bundle = write_hollow_bundle(request.out.parent.parent / "text", "bibert")
    return replace(request, fitted={**request.fitted, "clip": bundle})


def catalogue_alone(request: FitRequest) -> FitRequest:
    return replace(request, data=data_from_catalog(request.data.catalog.path))


def shown_elsewhere(request: FitRequest) -> FitRequest:
    shown = pa.table({"query": ["mug"], "product_id": ["of another shop"], "impressions": [3]})
    return with_data(shown=shown)(request)


def pairs(count: int, devices: int = 1) -> Change:
    def change(request: FitRequest) -> FitRequest:
        assert request.data.train is not None
        return replace(with_data(train=request.data.train.slice(0, count))(request), devices=devices)

    return change


def no_held_out_queries(request: FitRequest) -> FitRequest:
    assert request.data.validation is not None
    return with_data(validation=request.data.validation.slice(0, 0))(request)


def on_devices(count: int) -> Change:
    return lambda request: replace(request, devices=count)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "4tmm-cat",
            with_bundles(),
            "recipe 4tmm-cat takes a fitted bibert tower of the recipe bibert: give its bundle with --bibert",
        ),
        ("4tmm-cat", with_bundles("bibert"), "recipe 4tmm-cat takes a fitted clip tower: give its bundle with --clip"),
        ("4tmm-mlp", with_text_alone, "text has no clip tower on both sides; give a bundle that was fitted with it"),
        (
            "bibert",
            catalogue_alone,
            "recipe bibert is fitted to purchases: prepare a data set from a search log first",
        ),
        (
            "4tmm-mlp",
            pairs(1),
            "recipe 4tmm-mlp needs 2 pairs or more, and there are 1; prepare a data set with a longer "
            "--training-months or a lower --threshold",
        ),
        (
            "bibert",
            pairs(3, devices=4),
            "recipe bibert needs 4 pairs or more, and there are 3; prepare a data set with a longer "
            "--training-months or a lower --threshold",
        ),
        (
            "bibert",
            on_devices(3),
            "recipe bibert has batch_size 64, which 3 devices cannot share evenly; make it a multiple of 3",
        ),
        (
            "4tmm-alpha-history",
            with_data(shown=None),
            "recipe 4tmm-alpha-history adds products' history, but the data set does not say what was shown; "
            "prepare one from a search log with this version of Vitrine",
        ),
        (
            "3tmm-history",
            shown_elsewhere,
            "recipe 3tmm-history adds products' history, but the data set has no product that was shown; "
            "prepare one from a search log with impressions",
        ),
        (
            "4tmm-alpha",
            no_held_out_queries,
            "recipe 4tmm-alpha chooses alpha on held-out queries, but the data set has none; "
            "prepare one from a longer search log",
        ),
    ],
)
@pytest.mark.usefixtures("no_model")
def test_what_recipe_data_and_bundles_tell_is_refused_before_a_model_is_built(
    name: str,
    change: Change,
    message: str,
    data: TrainingData,
    towers: dict[TowerName, ModelBundle],
    tmp_path: Path,
) -> None:
    out = tmp_path / "runs" / "out"
    request = change(FitRequest(small(name), data, towers, out, VectorCache(tmp_path / "vectors")))
    with pytest.raises(RecipeError) as refused:
        fit(request)
    assert str(refused.value).removeprefix(f"{tmp_path}/") == message
    assert not out.parent.exists()


@pytest.mark.usefixtures("no_model")
def test_more_devices_than_gpus_are_refused_before_a_model_is_built(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    request = FitRequest(small("bibert"), data, {}, tmp_path / "out", VectorCache(tmp_path / "vectors"), devices=2)
    with pytest.raises(FitError, match=r"^--devices 2 asks for more GPUs than the 1 that there are; lower it$"):
        fit(request)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_model")
def test_an_existing_folder_is_kept(data: TrainingData, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(FileExistsError, match="exists already; remove it or choose another --out"):
        fit(FitRequest(small("bibert"), data, {}, tmp_path, VectorCache(tmp_path / "vectors")))
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def wider_products(recipe: Recipe) -> Recipe:
    content = recipe.model_dump(mode="json")
    content["product"]["fusion"]["width"] = 40
    return Recipe.model_validate(content)


@pytest.mark.parametrize(
    ("recipe", "devices", "message"),
    [
        (
            small("clip-small"),
            2,
            "recipe clip-small trains a clip tower with BatchNorm, whose vectors depend on the whole batch; "
            "it cannot be fitted with --devices 2",
        ),
        (
            small("clip-small", chunk_size=8),
            1,
            "recipe clip-small trains a clip tower with BatchNorm, whose vectors depend on the whole batch; "
            "it cannot be fitted with chunk_size 8",
        ),
        (
            wider_products(small("4tmm-mlp")),
            1,
            "4tmm-mlp: queries get width 32 but products 40; set the mlp's width so that they agree",
        ),
    ],
)
def test_what_the_model_tells_is_refused_before_the_first_step(
    recipe: Recipe,
    devices: int,
    message: str,
    data: TrainingData,
    towers: dict[TowerName, ModelBundle],
    tmp_path: Path,
) -> None:
    out = tmp_path / "runs" / "out"
    with pytest.raises(RecipeError) as refused:
        fit(FitRequest(recipe, data, towers, out, VectorCache(tmp_path / "vectors"), devices=devices))
    assert str(refused.value) == message
    assert not out.parent.exists()


def test_a_query_side_too_large_to_be_exported_is_refused_before_the_first_step(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("towers.export.LARGEST_BYTES", 1000)
    with pytest.raises(TowerError, match="keep fewer layers or choose a smaller architecture"):
        fit(FitRequest(small("bibert"), data, {}, tmp_path / "runs" / "out", VectorCache(tmp_path / "vectors")))
    assert not (tmp_path / "runs").exists()
