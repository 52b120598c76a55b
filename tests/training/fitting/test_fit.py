"""Every recipe on a small shop: what is trained, what is kept, what a bundle holds, and resumption."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.dataset import Dataset
from artifacts.history import read_history
from artifacts.side import AlphaConcatenation, TowerName
from towers.model import Model
from towers.query_encoder import OnnxQueryEncoder
from towers.side_encoder import SideEncoder
from towers.storage import load_model
from towers.tokens import read_tokenizers
from towers.vector_cache import VectorCache
from training.batches.pairs import BatchPlan
from training.batches.training_data import TrainingData, data_from_catalog, data_from_dataset
from training.errors import RecipeError
from training.fitting import run as run_module
from training.fitting.fit import VALIDATION_RECALL, FitRequest, fit
from training.fitting.module import RetrievalModule, parameters_by_part
from training.fitting.run import CURVES
from training.fitting.validation import validation_set
from training.recipes.recipe import RECIPE_FOLDER, Recipe, load_recipe, recipe_names

pytestmark = pytest.mark.integration

SMALL = {
    "bibert": {"vocabulary": 400, "width": 32, "feed_forward": 64},
    "optimisation": {"epochs": 1, "batch_size": 64, "learning_rate": 3e-3},
}


def small(name: str) -> Recipe:
    """A recipe of ours with small sizes and 8 steps' worth of data."""
    content = yaml.safe_load((RECIPE_FOLDER / f"{name}.yaml").read_text())
    if content.get("bibert"):
        content["bibert"] |= SMALL["bibert"]
    if content.get("optimisation"):
        content["optimisation"] |= {"batch_size": 64, "least_steps": 1, "learning_rate": 3e-3}
    for side in ("query", "product"):
        fusion = content[side].get("fusion", {})
        if fusion.get("kind") == "mlp":
            fusion |= {"hidden": 16, "width": 32}
    return Recipe.model_validate(content)


@pytest.fixture(scope="module")
def data(dataset: Dataset) -> TrainingData:
    return data_from_dataset(dataset.path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def cache(runs: Path) -> VectorCache:
    return VectorCache(runs / "vectors")


@pytest.fixture(scope="module")
def fitted(data: TrainingData, runs: Path, cache: VectorCache) -> dict[TowerName, ModelBundle]:
    bibert = fit(FitRequest(small("bibert"), data, {}, runs / "bibert", cache, steps=30))
    clip = fit(FitRequest(small("clip-small"), data, {}, runs / "clip-towers", cache, steps=4))
    return {"bibert": bibert, "clip": clip}


COMPOSED = [name for name in recipe_names() if name not in ("bibert", "clip-small")]


@pytest.mark.parametrize("name", COMPOSED)
def test_a_recipe_becomes_a_bundle_that_encodes(
    name: str, data: TrainingData, fitted: dict[TowerName, ModelBundle], tmp_path: Path, cache: VectorCache
) -> None:
    recipe = small(name)
    towers = {tower: bundle for tower, bundle in fitted.items() if tower in recipe.fitted_towers}
    bundle = fit(FitRequest(recipe, data, towers, tmp_path / name, cache, steps=3 if recipe.train else None))
    queries = bundle.held_out_queries()
    assert queries == data.held_out_queries() and queries
    by_onnx = OnnxQueryEncoder(bundle.query_folder, bundle.query).encode(queries)
    model = load_model(bundle)
    side = SideEncoder(model.query, read_tokenizers(bundle.query_folder, bundle.query))
    np.testing.assert_allclose(by_onnx, side.queries(queries), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(by_onnx, axis=1), 1, atol=1e-5)
    assert bundle.card.width == by_onnx.shape[1]
    assert (bundle.photo is not None) == (name in ("clip", "4tmm-cat", "4tmm-alpha", "4tmm-alpha-history"))
    assert 0 <= bundle.card.origin.metrics["validation_recall_at_100"] <= 1
    assert bundle.card.query_encoder is not None and bundle.card.query_encoder.precision == "fp32"
    kept = [part for part in ("bibert", "clip") if part in recipe.fitted_towers and part not in recipe.train]
    for part in kept:
        assert_same_tower(model, load_model(fitted[part]), part)
    if "bibert" in recipe.train:
        assert not same_tower(model, load_model(fitted["bibert"]), "bibert")


@pytest.mark.parametrize("name", ["3tmm-history", "4tmm-alpha-history"])
def test_history_is_in_the_bundle_and_in_its_recall(
    name: str, data: TrainingData, fitted: dict[TowerName, ModelBundle], tmp_path: Path, cache: VectorCache
) -> None:
    recipe = small(name)
    bundle = fit(FitRequest(recipe, data, fitted, tmp_path / name, cache, steps=3 if recipe.train else None))
    history = read_history(bundle.product_folder, bundle.product)
    assert history is not None and history.estimate is not None and data.shown is not None
    assert set(history.product_ids.to_pylist()) == set(data.shown["product_id"].to_pylist())
    model, held_out = load_model(bundle), data.held_out_queries()
    queries = SideEncoder(model.query, read_tokenizers(bundle.query_folder, bundle.query)).queries(held_out)
    plain = SideEncoder(model.product, read_tokenizers(bundle.product_folder, bundle.product)).products(data.products)
    found = history.add_to(plain, data.products.product_ids)
    assert not np.allclose(found, plain, atol=1e-3)
    assert data.validation is not None
    wanted = validation_set(data.validation, data.catalog.rows_by_product_id())
    assert wanted.queries == held_out
    recall = float(wanted.recalls(queries, found).mean())
    assert bundle.card.origin.metrics[VALIDATION_RECALL] == pytest.approx(recall, abs=0.01)


def test_history_needs_a_log_of_what_was_shown(
    data: TrainingData, fitted: dict[TowerName, ModelBundle], tmp_path: Path, cache: VectorCache
) -> None:
    older = replace(data, shown=None)
    with pytest.raises(RecipeError, match="4tmm-alpha-history adds products' history, but the data set does not say"):
        fit(FitRequest(small("4tmm-alpha-history"), older, fitted, tmp_path / "out", cache))


@pytest.mark.parametrize("name", [name for name in recipe_names() if load_recipe(name).train])
def test_gradients_reach_what_the_recipe_names_and_nothing_else(
    name: str,
    data: TrainingData,
    fitted: dict[TowerName, ModelBundle],
    tmp_path: Path,
    cache: VectorCache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = small(name)
    seen: dict[str, set[bool]] = {}

    def one_step(module: RetrievalModule, plan: BatchPlan, work: Path, seed: int, devices: int) -> None:
        (work / CURVES).mkdir()
        module.training_step(plan.batch(0), 0).backward()
        for part, parameters in parameters_by_part(module.model).items():
            seen[part] = {bool(p.grad is not None and p.grad.abs().sum() > 0) for p in parameters}

    monkeypatch.setattr("training.fitting.fit.run", one_step)
    towers = {tower: bundle for tower, bundle in fitted.items() if tower in recipe.fitted_towers}
    fit(FitRequest(recipe, data, towers, tmp_path / name, cache))
    for part, flows in seen.items():
        if part in recipe.train:
            # Of BiBERT and CLIP some tensors may be untouched by one batch, but most must not be.
            assert True in flows, part
            assert part != "fusion" or flows == {True}
        else:
            assert flows <= {False}, part


def test_training_helps(fitted: dict[TowerName, ModelBundle], data: TrainingData, tmp_path: Path) -> None:
    untrained = fit(FitRequest(small("bibert"), data, {}, tmp_path / "untrained", VectorCache(tmp_path), steps=1))
    before = untrained.card.origin.metrics["validation_recall_at_100"]
    assert fitted["bibert"].card.origin.metrics["validation_recall_at_100"] > before + 0.03


def test_alpha_is_as_good_on_validation_as_the_best_of_the_choices(
    data: TrainingData, fitted: dict[TowerName, ModelBundle], tmp_path: Path, cache: VectorCache
) -> None:
    recipe = small("4tmm-alpha")
    bundle = fit(FitRequest(recipe, data, fitted, tmp_path / "alpha", cache))
    metrics = bundle.card.origin.metrics
    by_alpha = {
        float(name.removeprefix("recall_at_alpha_")): value
        for name, value in metrics.items()
        if name.startswith("recall_at_alpha_")
    }
    assert set(by_alpha) == set(recipe.query.fusion.choices)  # type: ignore[union-attr]
    assert by_alpha[metrics["alpha"]] == metrics["validation_recall_at_100"] >= max(by_alpha.values()) - 0.03
    for side in (bundle.query, bundle.product):
        assert isinstance(side.fusion, AlphaConcatenation) and side.fusion.alpha == metrics["alpha"]


def test_products_without_a_photo_get_the_mean_direction_of_the_photos(
    fitted: dict[TowerName, ModelBundle], data: TrainingData
) -> None:
    side = SideEncoder(load_model(fitted["clip"]).product, {})
    vectors = side.photo_vectors(data.products)
    usable = np.array([image is not None for image in data.products.images])
    assert 0 < usable.sum() < len(usable)
    mean = vectors[usable].mean(axis=0)
    np.testing.assert_allclose(vectors[~usable], np.tile(mean / np.linalg.norm(mean), (sum(~usable), 1)), atol=1e-5)


def test_a_run_that_was_killed_ends_with_the_weights_of_an_unbroken_one(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "STEPS_PER_SPAN", 3)
    recipe = small("bibert")

    def request(name: str) -> FitRequest:
        return FitRequest(recipe, data, {}, tmp_path / name, VectorCache(tmp_path / "vectors"), steps=8)

    unbroken = fit(request("unbroken"))
    batch = BatchPlan.batch

    def killed(self: BatchPlan, step: int) -> object:
        if step == 5:
            raise KeyboardInterrupt
        return batch(self, step)

    monkeypatch.setattr(BatchPlan, "batch", killed)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(request("resumed"))
    assert not (tmp_path / "resumed").exists()
    first_steps: list[int] = []

    def watched(self: BatchPlan, step: int) -> object:
        first_steps.append(step)
        return batch(self, step)

    monkeypatch.setattr(BatchPlan, "batch", watched)
    resumed = fit(request("resumed"))
    assert first_steps[0] == 3  # the span after the last checkpoint
    assert resumed.fingerprint == unbroken.fingerprint
    assert not list(tmp_path.glob(".resumed.*"))
    # Equal although the curves are other files: they are measured again with clocks.
    assert points(resumed) == points(unbroken)
    assert event_files(resumed) != event_files(unbroken)


def test_a_bundle_tells_how_its_fit_went(fitted: dict[TowerName, ModelBundle]) -> None:
    curves = points(fitted["bibert"])
    assert set(curves) == {"loss", "temperature", "learning_rate", VALIDATION_RECALL}
    assert [step for step, _ in curves["loss"]] == [10, 20, 30]
    assert curves["loss"][-1][1] < curves["loss"][0][1]
    recall = fitted["bibert"].card.origin.metrics[VALIDATION_RECALL]
    assert curves[VALIDATION_RECALL] == [(30, pytest.approx(recall))]
    assert fitted["bibert"].card.origin.seed == 0


def test_the_seed_decides_and_is_kept(data: TrainingData, tmp_path: Path) -> None:
    recipe = small("bibert")
    cache = VectorCache(tmp_path / "vectors")
    one, two = (fit(FitRequest(recipe, data, {}, tmp_path / str(seed), cache, seed=seed, steps=1)) for seed in (7, 8))
    assert (one.card.origin.seed, two.card.origin.seed) == (7, 8)
    assert one.fingerprint != two.fingerprint


@pytest.mark.parametrize(
    ("name", "optimisation", "devices", "message"),
    [
        (
            "bibert",
            {},
            3,
            "recipe bibert has batch_size 64, which 3 devices cannot share evenly; make it a multiple of 3",
        ),
        (
            "clip-small",
            {},
            2,
            "recipe clip-small trains a clip tower with BatchNorm, whose vectors depend on the whole batch; "
            "it cannot be fitted with --devices 2",
        ),
        (
            "clip-small",
            {"chunk_size": 8},
            1,
            "recipe clip-small trains a clip tower with BatchNorm, whose vectors depend on the whole batch; "
            "it cannot be fitted with chunk_size 8",
        ),
    ],
)
def test_batches_that_cannot_be_encoded_in_parts(
    name: str,
    optimisation: dict[str, int],
    devices: int,
    message: str,
    data: TrainingData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # GPUs are counted before
    content = small(name).model_dump(mode="json")
    recipe = Recipe.model_validate(content | {"optimisation": content["optimisation"] | optimisation})
    with pytest.raises(RecipeError) as caught:
        fit(FitRequest(recipe, data, {}, tmp_path / "out", VectorCache(tmp_path), devices=devices))
    assert str(caught.value) == message
    assert not list(tmp_path.iterdir())


def test_a_frozen_tower_with_batch_statistics_may_be_encoded_in_parts(
    data: TrainingData, fitted: dict[TowerName, ModelBundle], tmp_path: Path, cache: VectorCache
) -> None:
    content = small("4tmm-mlp").model_dump(mode="json")
    recipe = Recipe.model_validate(content | {"optimisation": content["optimisation"] | {"chunk_size": 16}})
    bundle = fit(FitRequest(recipe, data, fitted, tmp_path / "out", cache, steps=2))
    assert_same_tower(load_model(bundle), load_model(fitted["clip"]), "clip")


def points(bundle: ModelBundle) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by curve, as TensorBoard shows them."""
    events = EventAccumulator(str(bundle.curves_folder)).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def event_files(bundle: ModelBundle) -> list[str]:
    return sorted(file.name for file in bundle.curves_folder.iterdir())


def test_a_clip_is_trained_on_a_catalogue_alone(shop: Path, tmp_path: Path) -> None:
    data = data_from_catalog(shop / "catalog.parquet")
    bundle = fit(FitRequest(small("clip-small"), data, {}, tmp_path / "clip", VectorCache(tmp_path), steps=2))
    assert bundle.held_out_queries() == []
    assert open_bundle(bundle.path).fingerprint == bundle.fingerprint


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("4tmm-cat", (), "recipe 4tmm-cat takes a fitted bibert tower: give its bundle with --bibert"),
        ("4tmm-cat", ("bibert",), "recipe 4tmm-cat takes a fitted clip tower: give its bundle with --clip"),
        ("3tmm-mlp-sn", ("bibert", "clip"), "3tmm-mlp-sn: queries get width 32 but products 256"),
    ],
)
def test_towers_that_do_not_fit(
    name: str,
    given: tuple[TowerName, ...],
    message: str,
    data: TrainingData,
    fitted: dict[TowerName, ModelBundle],
    tmp_path: Path,
) -> None:
    towers = {tower: fitted[tower] for tower in given}
    with pytest.raises(RecipeError, match=message):
        fit(FitRequest(load_recipe(name), data, towers, tmp_path / "out", VectorCache(tmp_path)))


def test_a_bundle_without_the_tower_is_refused(
    data: TrainingData, fitted: dict[TowerName, ModelBundle], tmp_path: Path
) -> None:
    wrong: dict[TowerName, ModelBundle] = {"bibert": fitted["clip"], "clip": fitted["clip"]}
    with pytest.raises(RecipeError, match="has no bibert tower on both sides"):
        fit(FitRequest(load_recipe("4tmm-cat"), data, wrong, tmp_path / "out", VectorCache(tmp_path)))


def test_an_existing_bundle_is_kept(fitted: dict[TowerName, ModelBundle], data: TrainingData, tmp_path: Path) -> None:
    bundle = fitted["bibert"]
    with pytest.raises(FileExistsError, match="exists already"):
        fit(FitRequest(small("bibert"), data, {}, bundle.path, VectorCache(tmp_path)))
    assert open_bundle(bundle.path).fingerprint == bundle.fingerprint


def same_tower(one: Model, other: Model, tower: str) -> bool:
    for mine, theirs in ((one.query, other.query), (one.product, other.product)):
        if tower in mine.towers:
            weights = theirs.towers[tower].state_dict()
            if not all(torch.equal(tensor, weights[name]) for name, tensor in mine.towers[tower].state_dict().items()):
                return False
    return True


def assert_same_tower(one: Model, other: Model, tower: str) -> None:
    assert same_tower(one, other, tower), f"{tower} was changed though it is frozen"
