"""What an index is measured with, and that the measurement is what anyone would measure again."""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import knn
from artifacts.bundle import ModelBundle, open_bundle
from artifacts.catalog import Catalog, read_catalog
from artifacts.manifest import IndexDescription
from index_builder.core.errors import BuildError
from index_builder.index.few_queries import describe_few_queries
from index_builder.index.indexing import IndexRequest
from index_builder.index.measure import (
    MEASURED_QUERIES,
    Measurement,
    QuerySample,
    describe_index,
    encode_queries,
    measure,
    needs_titles,
    sample_queries,
)
from index_builder.index.type_choice import Choice, Trial
from knn.tuning import TuningPoint


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class NumberEncoder:
    """Encodes the query "7" as the seventh of its vectors, and notes how many came at once."""

    def __init__(self, vectors: np.ndarray) -> None:
        self._vectors = vectors
        self.batches: list[int] = []

    @property
    def width(self) -> int:
        return int(self._vectors.shape[1])

    def encode(self, queries: Sequence[str]) -> np.ndarray:
        self.batches.append(len(queries))
        return self._vectors[[int(query) for query in queries]]


@pytest.fixture(scope="module")
def products() -> np.ndarray:
    return _unit(np.random.default_rng(1).standard_normal((900, 24)))


@pytest.fixture(scope="module")
def encoder() -> NumberEncoder:
    return NumberEncoder(_unit(np.random.default_rng(2).standard_normal((150, 24))))


@pytest.fixture(scope="module")
def catalog_of_900() -> Catalog:
    ids = [f"p{row}" for row in range(900)]
    return Catalog(Path("catalog.parquet"), pa.table({"product_id": ids, "title": ids, "image": [None] * 900}))


@pytest.fixture(scope="module")
def index(products: np.ndarray) -> knn.VectorIndex:
    return knn.build_index(knn.IndexSpec("IVF16,SQ8", 900), 24, [products], products)


QUERIES = QuerySample(tuple(str(number) for number in range(150)), held_out_count=150)
WHOLE = IndexRequest(target_recall=1.0)


def _slow_recall(found: np.ndarray, scores: np.ndarray, k: int) -> float:
    """Share of the returned rows that score at most a little below the true k-th; scores (n, count), float64."""
    ranked = -np.sort(-scores, axis=1)
    tolerances = np.minimum(0.2 * (ranked[:, k // 2 - 1] - ranked[:, k - 1]), 1e-3)
    returned = np.take_along_axis(scores, found, axis=1)
    return float(((returned >= (ranked[:, k - 1] - tolerances)[:, None]) & (found >= 0)).mean())


@pytest.fixture(scope="module")
def measurement(
    index: knn.VectorIndex, products: np.ndarray, encoder: NumberEncoder, catalog_of_900: Catalog
) -> Measurement:
    return measure(
        index, products, catalog_of_900, QUERIES, encoder.encode(QUERIES.texts), IndexRequest(target_recall=0.95)
    )


def test_each_point_of_the_curve_is_what_one_measures_again(
    measurement: Measurement, index: knn.VectorIndex, products: np.ndarray, encoder: NumberEncoder
) -> None:
    queries = encoder.encode(QUERIES.texts)
    scores = queries.astype(np.float64) @ products.T.astype(np.float64)
    curve = measurement.tuning.curve
    assert [point.operating_point.nprobe for point in curve] == [1, 2, 4, 8, 12, 14, 16]
    for point in curve:
        found = index.search(queries, 100, point.operating_point).rows
        again = _slow_recall(found, scores, 100)
        assert point.recall.tie_tolerant == pytest.approx(again, abs=2e-3)
        assert point.latency_ms > 0
    recalls = [point.recall.tie_tolerant for point in curve]
    assert recalls == sorted(recalls) and recalls[0] < 0.5 < 0.95 < recalls[-1]


def test_the_chosen_point_is_the_cheapest_that_reaches_the_target(measurement: Measurement) -> None:
    good = [point for point in measurement.tuning.curve if point.recall.lower_bound(0.95) >= 0.95]
    assert measurement.tuning.reached_target
    assert measurement.tuning.chosen == min(good, key=lambda point: point.latency_ms)


def test_a_target_out_of_reach_is_said_so(
    products: np.ndarray, encoder: NumberEncoder, catalog_of_900: Catalog
) -> None:
    coarse = knn.build_index(knn.IndexSpec("PQ2x4", 900), 24, [products], products)
    tuning = measure(coarse, products, catalog_of_900, QUERIES, encoder.encode(QUERIES.texts), WHOLE).tuning
    assert not tuning.reached_target
    assert tuning.chosen.recall.tie_tolerant < 0.9


def test_canaries_are_true_answers(measurement: Measurement, products: np.ndarray, encoder: NumberEncoder) -> None:
    assert len(measurement.canaries) == 32
    for canary in measurement.canaries:
        best = np.argsort(-(products @ encoder.encode([canary.query])[0]))[:10]
        assert canary.product_ids == tuple(f"p{row}" for row in best)


@pytest.mark.parametrize(("held_out", "among_all"), [(150, True), (40, False), (20, True)])
def test_titles_become_canaries_only_where_held_out_queries_are_too_few(
    index: knn.VectorIndex,
    products: np.ndarray,
    encoder: NumberEncoder,
    catalog_of_900: Catalog,
    held_out: int,
    among_all: bool,
) -> None:
    queries = QuerySample(QUERIES.texts, held_out)
    vectors = encoder.encode(queries.texts)
    canaries = measure(index, products, catalog_of_900, queries, vectors, IndexRequest(target_recall=0.5)).canaries
    asked = {int(canary.query) for canary in canaries}
    assert len(asked) == 32 and (max(asked) >= 40) == among_all


class LastCopyFirst:
    """An exact index that prefers the last of equal products, where exact search prefers the first."""

    def __init__(self, products: np.ndarray) -> None:
        self._products = products.astype(np.float64)
        self.count = len(products)
        self.structure = knn.build_index(knn.IndexSpec("Flat", 0), products.shape[1], []).structure

    def search(self, queries: np.ndarray, k: int, point: knn.OperatingPoint) -> knn.Neighbours:
        scores = (queries.astype(np.float64) @ self._products.T).round(9)
        rows = np.stack([np.lexsort((-np.arange(self.count), -line))[:k] for line in scores])
        return knn.Neighbours(np.take_along_axis(scores, rows, axis=1).astype(np.float32), rows)


def test_copies_of_a_product_are_no_miss(encoder: NumberEncoder, catalog_of_900: Catalog) -> None:
    """30 kinds of 30 copies: which 10 copies of the fourth kind are among the best 100 is taste."""
    kinds = _unit(np.random.default_rng(4).standard_normal((30, 24)))
    copies = kinds[np.random.default_rng(5).permutation(900) % 30]
    index: Any = LastCopyFirst(copies)
    tuning = measure(index, copies, catalog_of_900, QUERIES, encoder.encode(QUERIES.texts), WHOLE).tuning
    assert (tuning.chosen.recall.tie_tolerant, tuning.reached_target) == (1.0, True)
    assert tuning.chosen.recall.strict < 0.99


def test_a_catalogue_below_100_products_is_measured_over_all_of_them(encoder: NumberEncoder) -> None:
    few = _unit(np.random.default_rng(1).standard_normal((6, 24)))
    ids = [f"p{row}" for row in range(6)]
    catalog = Catalog(Path("c"), pa.table({"product_id": ids, "title": ids, "image": [None] * 6}))
    flat = knn.build_index(knn.IndexSpec("Flat", 0), 24, [few])
    measured = measure(flat, few, catalog, QUERIES, encoder.encode(QUERIES.texts), WHOLE)
    assert (measured.tuning.k, measured.tuning.chosen.recall.strict) == (6, 1.0)
    assert all(sorted(canary.product_ids) == ids for canary in measured.canaries)


def test_the_manifest_holds_the_whole_measurement(measurement: Measurement) -> None:
    choice = Choice(knn.IndexSpec("IVF16,SQ8", 900))
    description = describe_index(choice, measurement, IndexRequest("IVF16,SQ8", 0.95))
    chosen: TuningPoint = measurement.tuning.chosen
    assert description.factory == "IVF16,SQ8"
    assert (description.nprobe, description.k_factor) == (chosen.operating_point.nprobe, None)
    assert (description.target_recall, description.reached_target) == (0.95, True)
    assert description.recall_at_100 == chosen.recall.tie_tolerant
    assert (description.measured_queries, description.measured_with) == (150, "held-out queries")
    assert (description.held_out_queries, description.held_out_count) == (150, 150)
    assert (description.tie_tolerance, description.tie_share, description.trials) == (0.001, 0.2, ())
    assert (description.built_for, description.timed_on) == ("cpu", "cpu")
    for point, record in zip(measurement.tuning.curve, description.curve, strict=True):
        assert record.nprobe == point.operating_point.nprobe
        assert record.recall_at_100 == point.recall.tie_tolerant
        assert record.strict_recall_at_100 == point.recall.strict
        assert record.ms_per_query == point.latency_ms


def test_the_manifest_holds_what_was_tried(measurement: Measurement) -> None:
    trial = Trial(knn.IndexSpec("IVF32,SQ8", 900), 450, 12_345, measurement.tuning, 0.75)
    description = describe_index(Choice(trial.spec, (trial,)), measurement, IndexRequest(device="cuda"))
    (record,) = description.trials
    assert (record.factory, record.sample_rows, record.index_bytes) == ("IVF32,SQ8", 450, 12_345)
    assert (record.recall_depth, record.estimated_ms, record.reached_target) == (100, 0.75, True)
    assert record.curve == description.curve
    assert description.built_for == "cuda"
    assert IndexDescription.model_validate_json(description.model_dump_json()) == description


def test_queries_are_encoded_in_moderate_batches(encoder: NumberEncoder) -> None:
    encoder.batches.clear()
    vectors = encode_queries(encoder, QUERIES.texts)
    assert encoder.batches == [64, 64, 22]
    np.testing.assert_array_equal(vectors, encoder.encode(QUERIES.texts))


@pytest.fixture
def copied_bundle(text_bundle: Path, tmp_path: Path) -> ModelBundle:
    return open_bundle(Path(shutil.copytree(text_bundle, tmp_path / "copy")))


def _hold_out(bundle: ModelBundle, queries: list[str]) -> ModelBundle:
    (bundle.path / "held_out_queries.json").write_text(json.dumps(queries))
    return bundle


def test_titles_are_added_where_held_out_queries_are_few(copied_bundle: ModelBundle, catalog: Path) -> None:
    products = read_catalog(catalog)
    bundle = _hold_out(copied_bundle, ["b", "a", "", " ", "b", products.titles[0]])
    samples = [sample_queries(bundle, products, seed) for seed in (0, 0, 1)]
    assert samples[0] == samples[1] != samples[2]
    texts = samples[0].texts
    assert (texts[:3], samples[0].held_out_count) == (("b", "a", products.titles[0]), 3)
    assert len(texts) == len(set(texts)) == 200 and set(texts[3:]) < set(products.titles)
    assert needs_titles(bundle) and not needs_titles(_hold_out(bundle, [f"query {number}" for number in range(200)]))


def test_few_held_out_queries_and_no_titles(copied_bundle: ModelBundle, catalog: Path) -> None:
    products = read_catalog(catalog)
    untitled = dataclasses.replace(products, table=products.table.set_column(1, "title", pa.nulls(300, pa.string())))
    bundle = _hold_out(copied_bundle, ["b", "a"])
    assert sample_queries(bundle, untitled, 0) == QuerySample(("b", "a"), held_out_count=2)


@pytest.mark.parametrize(
    ("count", "held_out", "kind", "note"),
    [
        (200, 200, "held-out queries", ""),
        (200, 199, "held-out queries and titles", "199 held-out queries and 1 product titles; "),
        (20, 20, "held-out queries", "20 held-out queries; "),
        (1000, 0, "titles", "0 held-out queries and 1,000 product titles; "),
    ],
)
def test_the_manifest_says_what_was_measured_with(
    measurement: Measurement, count: int, held_out: int, kind: str, note: str
) -> None:
    queries = QuerySample(tuple(map(str, range(count))), held_out)
    measured = dataclasses.replace(measurement, queries=queries)
    description = describe_index(Choice(knn.IndexSpec("IVF16,SQ8", 900)), measured, IndexRequest())
    assert (description.measured_queries, description.measured_with) == (count, kind)
    start = f"recall was measured with {note}" if note else ""
    assert describe_few_queries(description).startswith(start) and bool(describe_few_queries(description)) == bool(note)
    of_an_older_release = description.model_copy(update={"held_out_queries": None})
    assert of_an_older_release.held_out_count == (held_out if kind == "held-out queries" else 0)


def test_a_sample_by_seed_where_they_are_many(copied_bundle: ModelBundle, catalog: Path) -> None:
    queries = [f"query {number}" for number in range(3_000)]
    bundle, products = _hold_out(copied_bundle, queries), read_catalog(catalog)
    samples = [sample_queries(bundle, products, seed) for seed in (0, 0, 1)]
    assert samples[0] == samples[1] != samples[2]
    assert len(set(samples[0].texts)) == MEASURED_QUERIES
    assert set(samples[0].texts) <= set(queries)
    assert max(int(text.split()[1]) for text in samples[0].texts) > 2_700


def test_titles_where_there_are_no_held_out_queries(text_bundle: Path, catalog: Path) -> None:
    products = read_catalog(catalog)
    sample = sample_queries(open_bundle(text_bundle), products, 0)
    assert sample.held_out_count == 0
    assert sorted(sample.texts) == sorted(products.titles)


def test_neither_queries_nor_titles(text_bundle: Path, catalog: Path) -> None:
    products = read_catalog(catalog)
    untitled = products.table.set_column(1, "title", pa.nulls(300, pa.string()))
    with pytest.raises(BuildError, match=r"no held-out queries and .* has no titles, so that there is nothing"):
        sample_queries(open_bundle(text_bundle), dataclasses.replace(products, table=untitled), 0)
