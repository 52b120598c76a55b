"""That the vectors of bench-index are what they are said to be, and are made once."""

from pathlib import Path

import numpy as np
import pytest

from artifacts.bundle import ModelBundle
from benchmarks.vectors.vector_sets import (
    BLOCK_ROWS,
    HARD_WIDTH,
    NEIGHBOURS,
    SEED,
    VECTORS_FILE,
    Vectors,
    gaussians,
    local_dimension,
    main,
    make_hard_set,
    make_real_set,
    multiplied,
    open_set,
    shifted_queries,
)
from knn import exact_search
from tests.benchmarks.shop import write_catalog
from tests.support.models import QUERIES, tiny_bundle


def unit(vectors: np.ndarray) -> Vectors:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def surface(count: int, dimensions: int, width: int = 48, seed: int = 3) -> Vectors:
    """Points of a curved surface of so many dimensions on the unit sphere."""
    rng = np.random.default_rng(seed)
    return unit(np.sin(rng.uniform(0, 2, (count, dimensions)) @ rng.standard_normal((dimensions, width)) * 0.5 + 1))


@pytest.mark.parametrize("dimensions", [2, 5])
def test_the_local_dimension_of_a_surface(dimensions: int) -> None:
    assert local_dimension(surface(20_000, dimensions), SEED) == pytest.approx(dimensions, rel=0.15)


def test_multiplied_products_keep_their_local_dimension() -> None:
    products = surface(1500, 5)
    rows = np.concatenate(list(multiplied(products, 45_000, SEED)))
    before, after = local_dimension(products, SEED), local_dimension(rows, SEED)
    assert after == pytest.approx(before, rel=0.35)
    spread = float(np.sqrt(2 - 2 * exact_search(products, products, 9).scores[:, 8]).mean())
    noise = np.random.default_rng(0).standard_normal((45_000, products.shape[1])) * spread / 48**0.5
    rounded = unit(products[np.arange(45_000) % 1500] + 0.5 * noise)
    assert local_dimension(rounded, SEED) > 1.5 * after  # what noise in all directions alike would have done


def test_multiplied_products_are_the_products_and_then_near_ones() -> None:
    products = surface(200, 5)
    blocks = list(multiplied(products, BLOCK_ROWS + 100, SEED))
    rows = np.concatenate(blocks)
    assert [len(block) for block in blocks] == [BLOCK_ROWS, 100] and rows.dtype == np.float32
    np.testing.assert_allclose(rows[:200], products, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert len(np.unique(rows, axis=0)) == len(rows)
    near = exact_search(products, products, NEIGHBOURS + 1).rows
    found = exact_search(products, rows, 1).rows[:, 0]
    assert np.mean([nearest in near[i % 200] for i, nearest in enumerate(found)]) > 0.9
    again = np.concatenate(list(multiplied(products, BLOCK_ROWS + 100, SEED)))
    np.testing.assert_array_equal(rows, again)


def test_the_hard_set_decays_and_its_queries_are_shifted() -> None:
    rows = np.concatenate(list(gaussians(5000, HARD_WIDTH, SEED)))
    energy = np.sort((rows.astype(np.float64) ** 2).mean(axis=0))[::-1]
    assert energy[:64].sum() == pytest.approx(0.935, abs=0.01) and np.abs(rows.mean(axis=0)).max() < 0.02
    queries = shifted_queries(500, HARD_WIDTH, SEED)
    assert np.linalg.norm(queries.mean(axis=0)) > 0.5 > 10 * np.linalg.norm(rows.mean(axis=0))
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-6)


def test_a_set_is_made_once_and_again_when_it_is_damaged_or_another(tmp_path: Path) -> None:
    folder = tmp_path / "hard"
    path = folder / VECTORS_FILE

    def make(rows: int) -> int:
        make_hard_set(folder, rows)
        return path.stat().st_ino

    first = make(300)
    vectors, tuning, test = open_set(folder).vectors(), *(open_set(folder).queries(part) for part in ("tuning", "test"))
    assert vectors.shape == (300, HARD_WIDTH) and isinstance(vectors, np.memmap)
    assert open_set(folder).vectors(40).shape == (40, HARD_WIDTH)
    np.testing.assert_array_equal(vectors, np.concatenate(list(gaussians(300, HARD_WIDTH, SEED))))
    assert len(np.unique(np.concatenate([tuning, test]), axis=0)) == len(tuning) + len(test) == 2000
    assert make(300) == first
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    make(300)
    np.testing.assert_array_equal(open_set(folder).vectors(), np.concatenate(list(gaussians(300, HARD_WIDTH, SEED))))
    make(310)
    assert open_set(folder).rows == 310


@pytest.mark.integration  # exports a query side
def test_the_real_set_begins_with_the_models_own_vectors(tmp_path: Path) -> None:
    bundle: ModelBundle = tiny_bundle(tmp_path / "bundle", "alpha")
    catalog = write_catalog(tmp_path / "shop", 40)
    main("real", tmp_path / "real", 100, bundle.path, catalog)
    made = open_set(tmp_path / "real")
    assert made.vectors().shape == (100, bundle.card.width) and made.card.real_products == 40
    assert len(made.queries("tuning")) == len(made.queries("test")) == len(set(QUERIES)) // 2
    few = write_catalog(tmp_path / "few", NEIGHBOURS)
    with pytest.raises(ValueError, match=f"{NEIGHBOURS} products and .* name a larger catalogue"):
        make_real_set(tmp_path / "none", 100, bundle, few)
