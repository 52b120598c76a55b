"""Figures of the gate that need no version on disk: nearly constant vectors, and products without a title."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from artifacts.gate import GateCheck
from artifacts.manifest import read_manifest
from index_builder.versions.gate_checks import content_checks
from index_builder.versions.gate_limits import GateLimits
from index_builder.versions.verify import VerifiedVersion
from knn import IndexSpec, build_index

SIMILAR = "the mean cosine of the vectors of two products"
Measure = Callable[..., dict[str, GateCheck]]


@pytest.fixture
def measure(store: Path) -> Measure:
    """The checks of a version that has these vectors and titles, by name."""
    manifest = read_manifest(store / "versions" / "flat")

    def run(vectors: np.ndarray, titles: list[str | None] | None = None, factory: str = "Flat") -> dict[str, GateCheck]:
        index = build_index(IndexSpec(factory, len(vectors)), vectors.shape[1], [vectors], vectors)
        products = pa.table({"title": pa.array(titles or ["cap"], pa.string())})
        verified = VerifiedVersion(manifest, 1.0, lambda queries, k: [[] for _ in queries], products, index)
        return {check.name: check for check in content_checks(verified, GateLimits())}

    return run


def around(direction: np.ndarray, spread: float, count: int = 300) -> np.ndarray:
    """Unit vectors around a direction."""
    vectors = direction + spread * np.random.default_rng(1).standard_normal((count, len(direction)))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("factory", ["Flat", "IVF16,SQ8", "HNSW8"])
def test_nearly_constant_vectors_are_refused(measure: Measure, factory: str) -> None:
    direction = np.eye(16)[0]
    check = measure(around(direction, 0.005), factory=factory)[SIMILAR]
    assert check.figure > 0.999 and not check.passed
    assert str(check).startswith(f"{SIMILAR} is 0.99") and str(check).endswith("expected at most 0.98")
    assert measure(around(direction, 0.2), factory=factory)[SIMILAR].passed


def test_the_mean_cosine_is_that_of_all_pairs(measure: Measure) -> None:
    vectors = around(np.eye(16)[0], 0.3, count=40)
    cosines = [vectors[i] @ vectors[j] for i in range(40) for j in range(40) if i != j]
    assert measure(vectors)[SIMILAR].figure == pytest.approx(np.mean(cosines), abs=1e-6)
    assert measure(3 * vectors)[SIMILAR].figure == pytest.approx(np.mean(cosines), abs=1e-6)  # cosines, not products


def test_zero_vectors_are_like_no_other_and_one_vector_has_no_pair(measure: Measure) -> None:
    assert measure(np.zeros((5, 8), np.float32))[SIMILAR].figure == 0
    assert SIMILAR not in measure(around(np.eye(8)[0], 0.1, count=1))


def test_titles_that_are_null_or_blank_are_counted(measure: Measure) -> None:
    check = measure(around(np.eye(8)[0], 0.5), ["cap", None, "", " \t\u00a0", "toy"])[
        "the share of products without a title"
    ]
    assert (check.figure, check.limit) == (0.6, 0.1)
