"""Products' history: kept and read again, added to vectors, and refused where it is another model's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.errors import DamagedError, FormatError
from artifacts.history import ESTIMATE_FILE, HISTORY_FILE, ProductHistory, read_history, write_history
from tests.support.specs import BERT_WIDTH, MLP_WIDTH, tiny_sides

SIDE = tiny_sides("bibert")[1]
WIDTH = BERT_WIDTH


@pytest.fixture
def history() -> ProductHistory:
    vectors = np.random.default_rng(1).normal(size=(3, WIDTH)).astype(np.float16)
    return ProductHistory(pa.array(["b", "a", "d"]), vectors)


def unit_vectors(count: int, width: int = WIDTH) -> np.ndarray:
    vectors = np.random.default_rng(2).normal(size=(count, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_history_comes_back_as_it_was_written(tmp_path: Path, history: ProductHistory) -> None:
    write_history(tmp_path, history)
    found = read_history(tmp_path, SIDE)
    assert found is not None and found.product_ids.equals(history.product_ids)
    np.testing.assert_array_equal(found.vectors, history.vectors)
    assert found.vectors.dtype == np.float16


def test_a_side_may_have_none(tmp_path: Path) -> None:
    assert read_history(tmp_path, SIDE) is None


@pytest.mark.parametrize("as_column", [False, True])
def test_vectors_move_towards_their_history_and_stay_of_unit_length(history: ProductHistory, as_column: bool) -> None:
    ids, vectors = ["a", "x", "d", "a"], unit_vectors(4)
    before = vectors.copy()
    moved = history.add_to(vectors, pa.array(ids, pa.large_string()) if as_column else ids)
    by_id = dict(zip(history.product_ids.to_pylist(), history.vectors.astype(np.float64), strict=True))
    for product_id, vector, found in zip(ids, before, moved, strict=True):
        expected = vector + by_id.get(product_id, 0)
        np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-6)
    np.testing.assert_array_equal(moved[1], before[1])  # a product without one keeps its vector, bit by bit
    np.testing.assert_array_equal(vectors, before)
    assert moved.dtype == np.float32
    assert (history.places(ids) >= 0).sum() == 3


def test_products_without_one_get_a_guess(tmp_path: Path, history: ProductHistory) -> None:
    estimate = np.random.default_rng(6).normal(size=(WIDTH + 1, WIDTH)).astype(np.float32)
    write_history(tmp_path, replace(history, estimate=estimate))
    found = read_history(tmp_path, SIDE)
    assert found is not None and found.estimate is not None
    np.testing.assert_array_equal(found.estimate, estimate)
    vectors = unit_vectors(3)
    moved = found.add_to(vectors, ["x", "a", "y"])
    np.testing.assert_array_equal(moved[1], history.add_to(vectors, ["x", "a", "y"])[1])
    for row in (0, 2):
        expected = vectors[row] + sum(vectors[row, i] * estimate[i] for i in range(WIDTH)) + estimate[WIDTH]
        np.testing.assert_allclose(moved[row], expected / np.linalg.norm(expected), atol=1e-6)


def test_an_estimate_that_is_none_is_refused(tmp_path: Path, history: ProductHistory) -> None:
    write_history(tmp_path, history)
    np.save(tmp_path / ESTIMATE_FILE, np.zeros((WIDTH, WIDTH), np.float32))
    with pytest.raises(FormatError, match=r"expected float32 of \(33, 32\)"):
        read_history(tmp_path, SIDE)
    (tmp_path / ESTIMATE_FILE).write_bytes(b"no numbers")
    with pytest.raises(DamagedError, match="cannot be read"):
        read_history(tmp_path, SIDE)


@pytest.mark.parametrize("composition", ["cat", "alpha"])
def test_where_towers_stand_side_by_side_only_biberts_part_moves(
    composition: str, tmp_path: Path, history: ProductHistory
) -> None:
    write_history(tmp_path, history)
    side = tiny_sides(composition)[1]
    found, vectors = read_history(tmp_path, side), unit_vectors(3, side.width)
    assert found is not None and found.place == slice(0, BERT_WIDTH)
    moved = found.add_to(vectors, ["a", "x", "b"])
    np.testing.assert_array_equal(moved[:, BERT_WIDTH:], vectors[:, BERT_WIDTH:])
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-6)
    alone = vectors[:, :BERT_WIDTH] / np.linalg.norm(vectors[:, :BERT_WIDTH], axis=1, keepdims=True)
    expected = history.add_to(alone, ["a", "x", "b"])
    parts = moved[:, :BERT_WIDTH] / np.linalg.norm(moved[:, :BERT_WIDTH], axis=1, keepdims=True)
    np.testing.assert_allclose(parts, expected, atol=1e-6)


def test_a_part_of_no_weight_stays_so(history: ProductHistory) -> None:
    vectors = unit_vectors(2, 2 * WIDTH)
    vectors[:, :WIDTH] = 0
    np.testing.assert_array_equal(replace(history, place=slice(0, WIDTH)).add_to(vectors, ["a", "b"]), vectors)


def test_no_product_is_no_vector(history: ProductHistory) -> None:
    assert history.add_to(unit_vectors(0), []).shape == (0, WIDTH) and len(history.places([])) == 0


def test_another_width_is_refused(tmp_path: Path, history: ProductHistory) -> None:
    write_history(tmp_path, history)
    with pytest.raises(FormatError) as caught:
        read_history(tmp_path, tiny_sides("mlp")[1])
    assert str(caught.value) == (
        f"{tmp_path / HISTORY_FILE} has vectors of another width than those that they are added to, {MLP_WIDTH}"
    )


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, history: ProductHistory) -> None:
    history.vectors[1, 2] = np.nan
    write_history(tmp_path, history)
    with pytest.raises(FormatError, match="not finite"):
        read_history(tmp_path, SIDE)


def test_a_file_that_is_no_history_is_refused(tmp_path: Path) -> None:
    (tmp_path / HISTORY_FILE).write_bytes(b"no parquet")
    with pytest.raises(DamagedError, match="cannot be read as Parquet"):
        read_history(tmp_path, SIDE)
    pq.write_table(pa.table({"product_id": ["a"]}), tmp_path / HISTORY_FILE)
    with pytest.raises(FormatError, match="lacks the column vector"):
        read_history(tmp_path, SIDE)


def test_a_vector_of_zeros_stays_one(history: ProductHistory) -> None:
    estimate = np.zeros((WIDTH + 1, WIDTH), np.float32)
    zeros = np.zeros((2, WIDTH), np.float32)
    for known in (history, replace(history, estimate=estimate)):
        np.testing.assert_array_equal(known.add_to(zeros, ["a", "x"]), zeros)
