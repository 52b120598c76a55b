"""A small shop, made and prepared once in a test run for all tests of training, and the bundles fitted on it."""

from pathlib import Path

import pytest

from artifacts.dataset import Dataset, open_dataset
from tests.support.made_once import made_once
from tests.training.small_fits import Fits
from training.batches.training_data import TrainingData, data_from_dataset
from training.catalog_alone.prepare import prepare_without_log
from training.logs.prepare import prepare
from training.sample_shop import generate_sample_shop


@pytest.fixture(scope="session")
def shop() -> Path:
    made = made_once("training-shop", lambda folder: generate_sample_shop(folder / "shop", products=240, seed=3))
    return made / "shop"


@pytest.fixture(scope="session")
def dataset(shop: Path) -> Dataset:
    return open_dataset(made_once("training-data", lambda folder: _prepare(shop, folder / "data")) / "data")


def _prepare(shop: Path, out: Path) -> None:
    prepare(shop / "catalog.parquet", shop / "interactions.parquet", shop / "judgments.parquet", out)


@pytest.fixture(scope="session")
def data(dataset: Dataset) -> TrainingData:
    return data_from_dataset(dataset.path)


@pytest.fixture(scope="session")
def dataset_without_log(shop: Path) -> Dataset:
    """Made from the catalogue of the shop alone."""
    made = made_once(
        "training-data-without-log", lambda folder: prepare_without_log(shop / "catalog.parquet", folder / "data")
    )
    return open_dataset(made / "data")


@pytest.fixture(scope="session")
def data_without_log(dataset_without_log: Dataset) -> TrainingData:
    return data_from_dataset(dataset_without_log.path)


@pytest.fixture(scope="session")
def fits(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Fits:
    return Fits(data, tmp_path_factory.mktemp("fits"))
