"""Every recipe on a small shop: what is trained, what is kept, what a bundle holds, and resumption."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.side import AlphaConcatenation
from artifacts.tower_specs import BertTowerSpec, ClipTextTowerSpec
from tests.training.small_fits import EXPORTED, Fits, fit_without_export, without_export
from tests.training.small_recipes import small
from towers.model import Side
from towers.query_encoder import OnnxQueryEncoder
from towers.side_encoder import SideEncoder, products_of
from towers.storage import load_model
from towers.tokens import read_tokenizers
from towers.vector_cache import VectorCache
from training.batches.pairs import BatchPlan
from training.batches.training_data import TrainingData, data_from_catalog
from training.experiments.all_rows import ALL_ROWS, PARTS
from training.fitting import run as run_module
from training.fitting.fit import fit
from training.fitting.module import RetrievalModule, parameters_by_part
from training.fitting.request import FitRequest
from training.fitting.validation import VALIDATION_RECALL
from training.recipes.files import recipe_names
from training.recipes.recipe import load_recipe

pytestmark = pytest.mark.integration

# The parts of the default and the CLIP of titles differ in numbers alone from recipes that are fitted here.
FITTED = [name for name in recipe_names() if name not in {*PARTS, "clip-small-titles"} - {*ALL_ROWS}]
COMPOSED = [name for name in FITTED if name not in ("bibert", "bibert-fields", "clip-small", "minilm")]


@pytest.mark.parametrize("name", COMPOSED)
def test_a_recipe_becomes_a_bundle_that_encodes(name: str, data: TrainingData, fits: Fits) -> None:
    recipe, bundle = small(name), fits.bundle(name)
    queries = bundle.held_out_queries()
    assert queries == data.held_out_queries() and queries
    model = load_model(bundle)
    vectors = SideEncoder(model.query, read_tokenizers(bundle.query_folder, bundle.query)).queries(queries)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert bundle.card.width == vectors.shape[1]
    if name in EXPORTED:
        by_onnx = OnnxQueryEncoder(bundle.query_folder, bundle.query).encode(queries)
        np.testing.assert_allclose(by_onnx, vectors, atol=1e-5)
        assert (bundle.photo is not None) == (name in ("clip", "4tmm-cat", "4tmm-alpha-history"))
    assert 0 <= bundle.card.origin.metrics["validation_recall_at_100"] <= 1
    towers = bundle.query.text_towers
    from_scratch = [tower for tower in towers if isinstance(tower, BertTowerSpec | ClipTextTowerSpec)]
    assert all(bundle.card.origin.metrics[f"{tower.name}_queries_unknown"] == 0 for tower in from_scratch) and towers
    assert bundle.card.query_encoder is not None and bundle.card.query_encoder.precision == "fp32"
    assert bundle.card.origin.recipe == recipe.model_dump(mode="json")
    has_clip = any(tower.name == "clip" for tower in (*bundle.query.towers, *bundle.product.towers))
    assert has_clip or bundle.card.origin.metrics["start_kept"] == 1  # text alone, where the fit lost to it
    assert bundle.card.origin.clip_captions == ("purchases" if has_clip else None)  # as the CLIP that it takes
    for tower, source in fits.towers_of(recipe).items():
        before = load_model(source)
        for side, side_before in ((model.query, before.query), (model.product, before.product)):
            if tower in side.towers and tower in recipe.train:
                # LayerNorms and projection of BiBERT are each side's own; the rest is trained through either side.
                assert changed(side, side_before, tower, "side.") == {True}, f"{tower} was not trained on both sides"
            elif tower in side.towers:
                assert changed(side, side_before, tower) == {False}, f"{tower} was changed though it is frozen"


def test_every_composition_is_exported() -> None:
    def composition(name: str) -> tuple[object, ...]:
        query = load_recipe(name).query
        return (query.towers, query.fusion.kind)

    assert {composition(name) for name in EXPORTED} == {composition(name) for name in COMPOSED}


class OneStepTaken(Exception):
    """Ends a fit after its first step."""


@pytest.mark.parametrize("name", [name for name in FITTED if load_recipe(name).train])
def test_gradients_reach_what_the_recipe_names_and_nothing_else(
    name: str, data: TrainingData, fits: Fits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small(name)
    towers = fits.towers_of(recipe)
    steps: list[RetrievalModule] = []

    def one_step(module: RetrievalModule, plan: BatchPlan, work: Path, seed: int, devices: int) -> None:
        module.training_step(plan.batch(0), 0).backward()
        steps.append(module)
        raise OneStepTaken

    monkeypatch.setattr("training.fitting.fit.run", one_step)
    with pytest.raises(OneStepTaken):
        fit(FitRequest(recipe, data, towers, tmp_path / "out", fits.cache))
    (module,) = steps
    for part, parameters in parameters_by_part(module.model).items():
        flows = {_has_gradient(parameter) for parameter in parameters}
        if part in recipe.train:
            # Of BiBERT and CLIP some tensors may be untouched by one batch, but most must not be. A residual fusion's
            # MLP begins at zero, so that the first step reaches its last layer alone.
            residual = recipe.product.fusion.kind == "residual"
            assert True in flows, part
            assert part != "fusion" or residual or flows == {True}
        else:
            assert flows <= {False}, part
    query, product = module.model.query, module.model.product
    for name, side, other in (("query", query, product), ("product", product, query)):
        for tower in set(side.towers) & set(recipe.train):
            reached = {_has_gradient(parameter) for parameter in own_parameters(side, other, tower)}
            assert True in reached and (tower == "clip" or reached == {True}), f"{tower} of the {name} side"


def _has_gradient(parameter: torch.nn.Parameter) -> bool:
    return bool(parameter.grad is not None and parameter.grad.abs().sum() > 0)


def own_parameters(side: Side, other: Side, tower: str) -> list[torch.nn.Parameter]:
    """A tower's parameters that the other side does not share: BiBERT's LayerNorms and projection."""
    shared = {id(parameter) for parameter in other.parameters()}
    return [parameter for parameter in side.towers[tower].parameters() if id(parameter) not in shared]


def test_training_helps(fits: Fits, data: TrainingData, tmp_path: Path) -> None:
    untrained = fit_without_export(
        FitRequest(small("bibert"), data, {}, tmp_path / "untrained", VectorCache(tmp_path), steps=1)
    )
    before = untrained.card.origin.metrics["validation_recall_at_100"]
    assert fits.bundle("bibert").card.origin.metrics["validation_recall_at_100"] > before + 0.03


def test_a_fit_chooses_the_fields_and_its_bundle_names_them(fits: Fits, data: TrainingData) -> None:
    bundle = fits.bundle("bibert-fields")
    assert (bundle.query.fields, bundle.product.fields) == ((), ("category", "brand"))
    encoder = SideEncoder(load_model(bundle).product, read_tokenizers(bundle.product_folder, bundle.product))
    first = products_of(replace(data.catalog, table=data.catalog.table.slice(0, 2)))
    other = replace(first, columns=pa.table({"category": ["shoes", "shoes"], "brand": first.columns["brand"]}))
    found, changed = encoder.products(first), encoder.products(other)
    assert not np.allclose(found, changed, atol=1e-4)


def test_alpha_is_as_good_on_validation_as_the_best_of_the_choices(fits: Fits) -> None:
    bundle = fits.bundle("4tmm-alpha")
    metrics = bundle.card.origin.metrics
    by_alpha = {
        float(name.removeprefix("recall_at_alpha_")): value
        for name, value in metrics.items()
        if name.startswith("recall_at_alpha_")
    }
    assert set(by_alpha) == set(small("4tmm-alpha").query.fusion.choices)  # type: ignore[union-attr]
    assert by_alpha[metrics["alpha"]] == metrics["validation_recall_at_100"] >= max(by_alpha.values()) - 0.03
    for side in (bundle.query, bundle.product):
        assert isinstance(side.fusion, AlphaConcatenation) and side.fusion.alpha == metrics["alpha"]


def test_products_without_a_photo_get_the_mean_direction_of_the_photos(fits: Fits, data: TrainingData) -> None:
    side = SideEncoder(load_model(fits.bundle("clip-small")).product, {})
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

    unbroken = fit_without_export(request("unbroken"))
    batch = BatchPlan.batch

    def killed(self: BatchPlan, step: int) -> object:
        if step == 5:
            raise KeyboardInterrupt
        return batch(self, step)

    monkeypatch.setattr(BatchPlan, "batch", killed)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit_without_export(request("resumed"))
    assert not (tmp_path / "resumed").exists()
    first_steps: list[int] = []

    def watched(self: BatchPlan, step: int) -> object:
        first_steps.append(step)
        return batch(self, step)

    monkeypatch.setattr(BatchPlan, "batch", watched)
    resumed = fit_without_export(request("resumed"))
    assert first_steps[0] == 3  # the span after the last checkpoint
    assert resumed.fingerprint == unbroken.fingerprint
    assert not list(tmp_path.glob(".resumed.*"))
    # Equal although the curves are other files: they are measured again with clocks.
    assert points(resumed) == points(unbroken)
    assert event_files(resumed) != event_files(unbroken)


def test_a_bundle_tells_how_its_fit_went(fits: Fits) -> None:
    bundle = fits.bundle("bibert")
    curves = points(bundle)
    assert set(curves) == {"loss", "temperature", "learning_rate", VALIDATION_RECALL}
    assert [step for step, _ in curves["loss"]] == [10, 20, 30]
    assert curves["loss"][-1][1] < curves["loss"][0][1]
    recall = bundle.card.origin.metrics[VALIDATION_RECALL]
    assert curves[VALIDATION_RECALL] == [(30, pytest.approx(recall))]
    assert bundle.card.origin.seed == 0


def test_the_seed_decides_and_is_kept(data: TrainingData, tmp_path: Path) -> None:
    recipe, cache = small("bibert"), VectorCache(tmp_path / "vectors")
    one, two = (
        fit_without_export(FitRequest(recipe, data, {}, tmp_path / str(seed), cache, seed=seed, steps=1))
        for seed in (7, 8)
    )
    assert (one.card.origin.seed, two.card.origin.seed) == (7, 8)
    assert one.fingerprint != two.fingerprint


def test_a_frozen_tower_with_batch_statistics_may_be_encoded_in_parts(
    data: TrainingData, fits: Fits, tmp_path: Path
) -> None:
    recipe = small("4tmm-mlp", chunk_size=16)
    towers = fits.towers_of(recipe)
    bundle = fit_without_export(FitRequest(recipe, data, towers, tmp_path / "out", fits.cache, steps=2))
    fitted, before = load_model(bundle), load_model(towers["clip"])
    assert changed(fitted.query, before.query, "clip") == changed(fitted.product, before.product, "clip") == {False}


def points(bundle: ModelBundle) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by curve, as TensorBoard shows them."""
    events = EventAccumulator(str(bundle.curves_folder)).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def event_files(bundle: ModelBundle) -> list[str]:
    return sorted(file.name for file in bundle.curves_folder.iterdir())


def test_a_clip_is_trained_on_a_catalogue_alone(shop: Path, tmp_path: Path) -> None:
    data = data_from_catalog(shop / "catalog.parquet")
    with without_export() as samples:
        bundle = fit(FitRequest(small("clip-small"), data, {}, tmp_path / "clip", VectorCache(tmp_path), steps=2))
    assert samples == [data.catalog.titles[:64]]  # there are no queries to compare the export on
    assert bundle.held_out_queries() == []
    assert bundle.card.origin.metrics == {"clip_titles_unknown": 0, "clip_titles_cut": 0}
    assert bundle.card.origin.clip_captions == "titles"
    assert open_bundle(bundle.path).fingerprint == bundle.fingerprint


def changed(side: Side, before: Side, tower: str, part: str = "") -> set[bool]:
    """Whether a tower's tensors have changed: those of a part of it, by the beginning of their names."""
    weights, earlier = side.towers[tower].state_dict(), before.towers[tower].state_dict()
    compared = [name for name in weights if name.startswith(part)]
    assert compared
    return {not torch.equal(weights[name], earlier[name]) for name in compared}


def test_a_young_shop_s_few_pairs_are_one_batch_and_a_warning_says_so(data: TrainingData, tmp_path: Path) -> None:
    assert data.train is not None
    few = replace(data, train=data.train.slice(0, 39))
    recipe = small("bibert", batch_size=4096)
    with pytest.warns(UserWarning, match=r"^recipe bibert has batch_size 4096, and there are only 39 pairs: they are"):
        bundle = fit_without_export(
            FitRequest(recipe, few, {}, tmp_path / "out", VectorCache(tmp_path / "vectors"), steps=2)
        )
    assert bundle.card.origin.recipe == recipe.model_dump(mode="json")
