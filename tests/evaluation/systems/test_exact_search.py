"""Search in blocks: same result as one exact search, resumed after an interruption, memory bound."""

from pathlib import Path

import numpy as np
import pytest

from evaluation.core.errors import DegenerateError, EvaluationError
from evaluation.systems.exact_search import LEAST_BLOCK, Encoder, rows_per_block, search
from knn import Neighbours, exact_search


def unit(count: int, seed: int, width: int = 16) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


PRODUCTS, QUERIES = unit(1000, 1), unit(70, 2)
PRODUCTS[300:350] = PRODUCTS[20]  # copies that span blocks


class Counted:
    """An encoder that records the requested blocks and raises KeyboardInterrupt at the block `killed_at`."""

    def __init__(self, products: np.ndarray = PRODUCTS, queries: np.ndarray = QUERIES, killed_at: int = -1) -> None:
        self.asked: list[tuple[int, int]] = []
        self.encoder = Encoder(products.shape[1], 0, lambda: queries, self._products)
        self._all, self._killed_at = products, killed_at

    def _products(self, start: int, stop: int) -> np.ndarray:
        if start == self._killed_at:
            raise KeyboardInterrupt
        self.asked.append((start, stop))
        return self._all[start:stop]


def run(counted: Counted, state_file: Path, block_rows: int = 130, depth: int = 60) -> Neighbours:
    return search(counted.encoder, 70, 1000, depth, block_rows=block_rows, state_file=state_file, name="x")


@pytest.mark.parametrize("block_rows", [7, 130, 999, 5000])
def test_blocks_give_what_one_search_gives(block_rows: int, tmp_path: Path) -> None:
    found, expected = run(Counted(), tmp_path / "state", block_rows), exact_search(PRODUCTS, QUERIES, 60)
    assert np.array_equal(found.rows, expected.rows) and np.array_equal(found.scores, expected.scores)


def test_a_kill_costs_one_block(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(Counted(killed_at=390), tmp_path / "state")
    again = Counted()
    found, expected = run(again, tmp_path / "state"), exact_search(PRODUCTS, QUERIES, 60)
    assert again.asked[0] == (390, 520)
    assert np.array_equal(found.rows, expected.rows) and np.array_equal(found.scores, expected.scores)
    finished = Counted()
    assert np.array_equal(run(finished, tmp_path / "state").rows, expected.rows) and finished.asked == []


def test_what_was_kept_is_verified(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(Counted(killed_at=390), tmp_path / "state")
    content = bytearray((tmp_path / "state").read_bytes())
    content[-100] ^= 1
    (tmp_path / "state").write_bytes(content)
    again = Counted()
    assert np.array_equal(run(again, tmp_path / "state").rows, exact_search(PRODUCTS, QUERIES, 60).rows)
    assert again.asked[0] == (0, 130)


@pytest.mark.parametrize(
    ("products", "queries", "sentence"),
    [
        (np.tile(PRODUCTS[:1], (1000, 1)), QUERIES, "all product vectors are alike"),
        (PRODUCTS, np.tile(QUERIES[:1], (70, 1)), "all query vectors are alike"),
        (np.where(np.arange(1000)[:, None] == 500, np.nan, PRODUCTS), QUERIES, "product number 500 holds NaN"),
    ],
)
def test_degenerate_vectors_are_noticed(
    products: np.ndarray, queries: np.ndarray, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(DegenerateError, match=sentence):
        run(Counted(products.astype(np.float32), queries), tmp_path / "state")


def test_copies_alone_in_a_later_block_are_no_fault(tmp_path: Path) -> None:
    products = np.concatenate([PRODUCTS[:900], np.tile(PRODUCTS[:1], (100, 1))])
    assert run(Counted(products), tmp_path / "state", block_rows=900).rows.shape == (70, 60)


def test_the_bound_is_the_formula() -> None:
    encoder = Encoder(256, 768, lambda: QUERIES, lambda start, stop: PRODUCTS)
    rows = rows_per_block(encoder, 38_268, 500, 4)
    held = 38_268 * (4 * 256 + 36 * 500) + (512 << 20) + rows * (16 * 768 + 4 * 256)
    assert 4e9 - (16 * 768 + 4 * 256) < held <= 4e9 and rows > LEAST_BLOCK
    with pytest.raises(EvaluationError, match=r"^--memory-gb is 0.5, but this evaluation needs at least 1.3$"):
        rows_per_block(encoder, 38_268, 500, 0.5)
