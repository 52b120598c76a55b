"""That the encoding benchmark encodes what it says: all products once, and then the changed ones alone."""

from pathlib import Path

import numpy as np
import pytest
import torch

from artifacts.bundle import ModelBundle
from artifacts.catalog import read_catalog
from benchmarks.index import encoding
from benchmarks.index.encoding import ROUNDS, change, copy_catalog, encode, forward_pass, measure_encoding
from tests.benchmarks.shop import write_catalog
from tests.support.models import tiny_bundle

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    torch.set_num_threads(1)
    return tiny_bundle(tmp_path_factory.mktemp("models") / "tiny", "alpha", export=False)


def test_a_small_catalogue_is_repeated(tmp_path: Path) -> None:
    copy_catalog(write_catalog(tmp_path / "from", 10), tmp_path / "to", 25)
    copied = read_catalog(tmp_path / "to" / "catalog.parquet")
    assert len(copied) == len(set(copied.titles)) == 25
    assert [copied.images[row] for row in (0, 7, 8, 9, 17, 18)] == [
        "images/0.png", "images/7.png", None, None, "images/7.png", None
    ]  # fmt: skip
    assert (tmp_path / "to" / "images" / "7.png").read_bytes() == (tmp_path / "from" / "images" / "7.png").read_bytes()


def test_only_what_changed_is_encoded_again(bundle: ModelBundle, tmp_path: Path) -> None:
    shop, store = tmp_path / "shop", tmp_path / "store"
    copy_catalog(write_catalog(tmp_path / "from", 10), shop, 25)
    catalog = shop / "catalog.parquet"
    assert encode(bundle, catalog, store)[1] == 25
    assert encode(bundle, catalog, store)[1] == 0
    vectors = np.fromfile(store / "vectors.f32", np.float32).reshape(25, -1)
    changed = change(shop, 0.2, seed=4)
    assert encode(bundle, catalog, store)[1] == changed >= 5
    after = np.fromfile(store / "vectors.f32", np.float32).reshape(25, -1)
    assert np.count_nonzero((vectors != after).any(axis=1)) == changed


def test_the_forward_pass_takes_every_tower_over_every_product(bundle: ModelBundle, tmp_path: Path) -> None:
    catalog = read_catalog(write_catalog(tmp_path / "shop", 12))
    run, products, seconds = forward_pass(bundle, catalog)
    assert products == 12 and seconds > 0
    run()


def test_rates_and_shares(bundle: ModelBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "SETTLED_S", 0.0)  # whether photos are read twice is not the question here
    found = measure_encoding(bundle, write_catalog(tmp_path / "shop", 20), tmp_path, 200)
    assert found.products == 200 and found.changed >= 2
    assert len(found.pipeline_per_s) == len(found.forward_per_s) == len(found.nightly_share) == ROUNDS
    assert max(found.pipeline_per_s) < found.prepare_per_s * 100 and min(found.pipeline_per_s) > 0
    assert min(found.nightly_share) > 0
