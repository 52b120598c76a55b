"""The first steps on a real shop's data; VITRINE_REAL_SHOP names its folder."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from artifacts.catalog import read_catalog
from artifacts.judgments import read_judgments
from artifacts.tower_specs import PhotoInput
from towers.encoding import decode_batches
from towers.photos import USABLE
from training.logs.prepare import prepare

SHOP = os.environ.get("VITRINE_REAL_SHOP")

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(SHOP is None, reason="VITRINE_REAL_SHOP names no folder"),
]


@pytest.fixture
def shop() -> Path:
    assert SHOP is not None
    return Path(SHOP)


def test_the_log_becomes_a_data_set(shop: Path, tmp_path: Path) -> None:
    dataset = prepare(
        shop / "catalog.parquet", shop / "interactions.parquet", shop / "judgments.parquet", tmp_path / "d"
    )
    assert dataset.card.train.pairs > dataset.card.evaluation.pairs > 0
    trained = set(dataset.train_pairs["query"].to_pylist())
    assert not trained & set(dataset.validation_pairs["query"].to_pylist())
    assert read_judgments(shop / "judgments.parquet").table.num_rows > 0


def test_photos_decode(shop: Path) -> None:
    catalog = read_catalog(shop / "catalog.parquet")
    images = catalog.images[:2000]
    photo = PhotoInput(height=80, width=60, mean=(0, 0, 0), std=(1, 1, 1), resize_mode="squash")
    decoded = [item for batch in decode_batches(catalog.folder, images, photo, threads=2) for item in batch]
    outcomes = Counter(outcome for _, outcome in decoded)
    assert outcomes[USABLE] > 0.95 * len(images)
    brightness = [float(np.mean(pixels)) for pixels, _ in decoded if pixels is not None]
    assert np.std(brightness) > 1  # they are different pictures
