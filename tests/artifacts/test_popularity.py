"""Products' popularity as a coordinate: the formula of scores written a second time, kept and read again, refused."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.errors import DamagedError, FormatError
from artifacts.popularity import (
    POPULARITY_FILE,
    PriorColumns,
    ProductPriors,
    columns_after,
    read_priors,
    write_priors,
)
from artifacts.side import PriorSpec, SideSpec
from tests.support.priors import tiny_priors
from tests.support.specs import BERT_WIDTH, tiny_sides

COLUMNS = PriorColumns(BERT_WIDTH, 8, 0.2)
SIDE = tiny_sides("bibert")[0]
WITH_PRIOR = SIDE.model_copy(update={"prior": PriorSpec(columns=8, reach=0.2, limit=2.0)})
IDS = [f"p{number}" for number in range(40)]


def unit_vectors(count: int, seed: int = 2) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, BERT_WIDTH)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def with_weights(content: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Queries' vectors, as the query side makes them."""
    zeros = np.zeros((len(content), COLUMNS.columns - 1))
    joined = np.hstack([content, weights[:, None], zeros])
    return (joined / np.sqrt(1 + weights[:, None] ** 2)).astype(np.float32)


@pytest.fixture
def priors() -> ProductPriors:
    return tiny_priors(IDS, COLUMNS)


def test_scores_are_those_of_the_formula(priors: ProductPriors) -> None:
    products, queries, weights = unit_vectors(42), unit_vectors(5, seed=3), np.array([0.0, 0.5, 1.0, 1.7, 2.0])
    ids = ["new", *IDS, "newer"]
    found = priors.add_to(products, ids)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(with_weights(queries, weights), axis=1), 1, atol=1e-6)
    by_id = dict(zip(IDS, priors.values.tolist(), strict=True))
    scores = with_weights(queries, weights) @ found.T
    for query, weight, row in zip(queries.tolist(), weights.tolist(), scores, strict=True):
        for product_id, product, score in zip(ids, products.tolist(), row, strict=True):
            cosine, prior = sum(a * b for a, b in zip(query, product, strict=True)), by_id.get(product_id, -0.05)
            expected = (math.sqrt(1 - 0.2**2) * cosine + weight * prior) / math.sqrt(1 + weight**2)
            assert score == pytest.approx(expected, abs=1e-6)


def test_without_weight_the_ranking_is_that_of_the_contents_cosines(priors: ProductPriors) -> None:
    products, queries = unit_vectors(40), unit_vectors(30, seed=4)
    vectors = COLUMNS.scale(with_weights(queries, np.full(30, 1.3)), 0)
    np.testing.assert_array_equal(vectors[:, BERT_WIDTH:], 0)
    scores, cosines = vectors @ priors.add_to(products, IDS).T, queries @ products.T
    np.testing.assert_allclose(scores, COLUMNS.content_length * cosines, atol=1e-6)
    np.testing.assert_array_equal(np.argsort(-scores), np.argsort(-cosines))


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_share_of_the_weight_is_the_vector_of_that_weight(share: float) -> None:
    queries, weights = unit_vectors(4), np.array([0.0, 0.3, 1.0, 2.0])
    found = COLUMNS.scale(with_weights(queries, weights), share)
    np.testing.assert_allclose(found, with_weights(queries, share * weights), atol=1e-6)
    np.testing.assert_allclose(COLUMNS.scale(with_weights(queries, weights)[3], share), found[3], atol=1e-6)


def test_content_and_popularity_of_a_score_are_told_apart(priors: ProductPriors) -> None:
    products, query = unit_vectors(40), with_weights(unit_vectors(1, seed=5), np.array([0.7]))[0]
    found = priors.add_to(products, IDS)
    told = COLUMNS.explain(query, found)
    np.testing.assert_allclose(told["cosine"], products @ unit_vectors(1, seed=5)[0], atol=1e-6)
    np.testing.assert_allclose(told["prior"], 0.7 * priors.values / math.sqrt(1.49), atol=1e-6)
    share = COLUMNS.content_length / math.sqrt(1.49)
    np.testing.assert_allclose(share * told["cosine"] + told["prior"], found @ query, atol=1e-6)
    np.testing.assert_allclose(COLUMNS.content_of(found), products, atol=1e-6)


@pytest.mark.parametrize("content", range(1, 40))
def test_the_width_is_a_multiple_of_8_and_has_room(content: int) -> None:
    assert columns_after(content) >= 2 and columns_after(content) < 10
    assert (content + columns_after(content)) % 8 == 0


def test_the_width_of_a_side_is_that_of_all_columns() -> None:
    assert (SIDE.width, SIDE.content_width) == (BERT_WIDTH, BERT_WIDTH)
    assert (WITH_PRIOR.width, WITH_PRIOR.content_width) == (BERT_WIDTH + 8, BERT_WIDTH)
    assert PriorColumns.of(SIDE) is None and PriorColumns.of(WITH_PRIOR) == COLUMNS


def test_a_side_written_before_there_was_a_prior_has_none() -> None:
    older = SIDE.model_dump(mode="json")
    del older["prior"]
    assert SideSpec.model_validate(older) == SIDE


def test_priors_come_back_as_they_were_written(priors: ProductPriors, tmp_path: Path) -> None:
    write_priors(tmp_path, priors)
    found = read_priors(tmp_path, WITH_PRIOR)
    assert found is not None and found.product_ids.equals(priors.product_ids)
    np.testing.assert_array_equal(found.values, priors.values)
    assert (found.estimate, found.columns, found.values.dtype) == (-0.05, COLUMNS, np.float32)
    ids = pa.array(["p3", "new"], pa.large_string())
    np.testing.assert_array_equal(found.of(found.rows(ids)), np.array([priors.values[3], -0.05], np.float32))


def test_a_model_may_have_none(tmp_path: Path) -> None:
    assert read_priors(tmp_path, SIDE) is None


def test_priors_that_a_query_side_knows_nothing_of_are_refused(priors: ProductPriors, tmp_path: Path) -> None:
    write_priors(tmp_path, priors)
    with pytest.raises(FormatError, match=r"the query side's side.json has no prior"):
        read_priors(tmp_path, SIDE)


def test_missing_priors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match=f"{POPULARITY_FILE} is missing"):
        read_priors(tmp_path, WITH_PRIOR)


@pytest.mark.parametrize("value", [0.21, -0.21, math.nan, math.inf])
@pytest.mark.parametrize("is_estimate", [True, False])
def test_priors_beyond_the_reach_are_refused(value: float, is_estimate: bool, tmp_path: Path) -> None:
    values = np.array([0.1, 0.1 if is_estimate else value], np.float32)
    write_priors(tmp_path, ProductPriors(pa.array(["a", "b"]), values, value if is_estimate else 0.0, COLUMNS))
    with pytest.raises(FormatError, match=r"a prior that is no number from -0.2 to 0.2"):
        read_priors(tmp_path, WITH_PRIOR)


def test_a_file_without_the_estimate_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"product_id": ["a"], "prior": pa.array([0.1], pa.float32())}), tmp_path / POPULARITY_FILE)
    with pytest.raises(FormatError, match="lacks the number `estimate`"):
        read_priors(tmp_path, WITH_PRIOR)
