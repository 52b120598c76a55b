"""`--devices` from the command line: what two processes fit is what one fits."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.dataset import Dataset
from tests.training.fitting.test_fit import points
from tests.training.small_fits import without_export
from tests.training.small_recipes import small
from towers.query_encoder import Vectors
from towers.side_encoder import SideEncoder
from towers.storage import load_model
from towers.tokens import read_tokenizers
from training.batches.training_data import data_from_dataset
from training.cli import app
from training.fitting import run as run_module

STEPS = 6


@pytest.mark.integration
def test_two_processes_fit_what_one_fits(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "best_precision", lambda: "32-true")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # two processes, whatever the machine has
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(small("bibert").model_dump(mode="json", exclude_none=True)))
    one, two = (fitted(recipe, dataset, tmp_path / f"by-{devices}", devices) for devices in (1, 2))
    assert points(two)["loss"] == [(STEPS, pytest.approx(points(one)["loss"][0][1], rel=1e-4))]
    for by_two, by_one in zip(vectors(two, dataset), vectors(one, dataset), strict=True):
        np.testing.assert_allclose(by_two, by_one, atol=1e-3)
    assert not list(tmp_path.glob(".by-*"))


def fitted(recipe: Path, dataset: Dataset, out: Path, devices: int) -> ModelBundle:
    options = {"--data": dataset.path, "--out": out, "--devices": devices, "--steps": STEPS}
    arguments = [str(part) for option in options.items() for part in option]
    with without_export():
        result = CliRunner().invoke(app, ["fit", str(recipe), *arguments])
    assert result.exit_code == 0, result.output
    return open_bundle(out)


def vectors(bundle: ModelBundle, dataset: Dataset) -> tuple[Vectors, Vectors]:
    """Vectors of held-out queries and of the catalogue, which differ by far more than the two fits may."""
    model = load_model(bundle)
    query = SideEncoder(model.query, read_tokenizers(bundle.query_folder, bundle.query))
    product = SideEncoder(model.product, read_tokenizers(bundle.product_folder, bundle.product))
    found = query.queries(bundle.held_out_queries()), product.products(data_from_dataset(dataset.path).products)
    assert all(vectors.std(axis=0).mean() > 0.008 for vectors in found)
    return found
