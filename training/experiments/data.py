"""The data set of the experiments, prepared once, and the columns that an annotator for it reads."""

from pathlib import Path

import pyarrow as pa

from artifacts.catalog import CATALOG_COLUMNS
from artifacts.dataset import Dataset, catalog_location, open_dataset
from artifacts.tables import read_schema
from training.errors import ExperimentError
from training.experiments.stages import Stage, run_stages


def prepare_once(shop: Path, out: Path, seed: int) -> Dataset:
    """Return the data set of a shop in OUT/data; prepare it unless it exists.

    Raises:
        ExperimentError: the shop cannot be prepared, or the existing data set is of another shop or seed.
    """
    path = out / "data"

    def check() -> None:
        card = open_dataset(path).card
        if (Path(card.catalog), card.seed) != (catalog_location(shop / "catalog.parquet"), seed):
            raise ExperimentError(
                f"{path} was prepared from {card.catalog} with seed {card.seed}; remove it or choose another --out"
            )

    arguments = ("training", "prepare", f"--shop={shop}", f"--out={path}", f"--seed={seed}")
    run_stages([Stage("data", arguments, path, check=check)], out)
    return open_dataset(path)


def text_attributes(catalog: Path) -> list[str]:
    """Return the catalogue's additional text columns, which the annotator reads with the title."""
    fields = [field for field in read_schema(catalog) if field.name not in CATALOG_COLUMNS]
    return [field.name for field in fields if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
