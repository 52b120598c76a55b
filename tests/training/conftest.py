"""A small shop, prepared once for all tests of training, and the bundles that were fitted on it."""

from pathlib import Path

import pytest

from artifacts.dataset import Dataset
from tests.training.small_fits import Fits
from training.batches.training_data import TrainingData, data_from_dataset
from training.logs.prepare import prepare
from training.sample_shop import generate_sample_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "shop"
    generate_sample_shop(folder, products=240, seed=3)
    return folder


@pytest.fixture(scope="session")
def dataset(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    out = tmp_path_factory.mktemp("data") / "data"
    return prepare(shop / "catalog.parquet", shop / "interactions.parquet", shop / "judgments.parquet", out)


@pytest.fixture(scope="session")
def data(dataset: Dataset) -> TrainingData:
    return data_from_dataset(dataset.path)


@pytest.fixture(scope="session")
def fits(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Fits:
    return Fits(data, tmp_path_factory.mktemp("fits"))
