"""A small shop with a model and a set of vectors, which the tests of whole benchmarks share."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.bundle import ModelBundle, open_bundle
from benchmarks.service.setup import LOG_FILE
from benchmarks.vectors.vector_sets import VectorSet, make_real_set, open_set
from tests.benchmarks.shop import write_catalog
from tests.support.made_once import made_once
from tests.support.models import tiny_bundle

PRODUCTS, ROWS = 40, 1500


@dataclass(frozen=True)
class SmallShop:
    """A folder whose files must not be changed.

    Attributes:
        folder: holds bundle/, shop/ with catalogue, photos and search log, and the real set of ROWS vectors in real/.
    """

    folder: Path

    @property
    def bundle(self) -> ModelBundle:
        """The model."""
        return open_bundle(self.folder / "bundle")

    @property
    def catalog(self) -> Path:
        """The catalogue of PRODUCTS products."""
        return self.folder / "shop" / "catalog.parquet"

    @property
    def vectors(self) -> VectorSet:
        """The real set."""
        return open_set(self.folder / "real")


@pytest.fixture(scope="session")
def small_shop() -> SmallShop:
    """Make the shop once in a test run."""
    return SmallShop(made_once("benchmark-shop", _write))


def _write(folder: Path) -> None:
    bundle = tiny_bundle(folder / "bundle", "alpha")
    catalog = write_catalog(folder / "shop", PRODUCTS)
    words = [f"word{number}" for number in range(330)]
    queries = [f"{first} {second}" for first, second in product(words, words)][:101_000]
    pq.write_table(pa.table({"query": queries}), folder / "shop" / LOG_FILE)
    make_real_set(folder / "real", ROWS, bundle, catalog)
