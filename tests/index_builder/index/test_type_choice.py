"""Which type is chosen, and that what the sample says holds for the whole."""

from collections.abc import Iterator

import numpy as np
import pytest

import knn
from index_builder.index import type_choice as choosing
from index_builder.index.indexing import IndexRequest, fill_index
from index_builder.index.type_choice import Trial, TrialData, choose_index, on_device
from knn import IndexSpec, OperatingPoint, Recall, Tuning, TuningPoint

COUNT, WIDTH = 40_000, 32
SQFP16, SQ4, PQ = "IVF1024,SQfp16", "IVF1024,SQ4", "IVF1024,PQ8x4fs,Refine(SQ8)"


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with knn.one_thread():
        yield


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(1)
    return _unit(rng.standard_normal((200, WIDTH))[rng.integers(0, 200, COUNT)] + rng.standard_normal((COUNT, WIDTH)))


@pytest.fixture(scope="module")
def queries() -> np.ndarray:
    return _unit(
        np.random.default_rng(1).standard_normal((200, WIDTH)) + np.random.default_rng(2).standard_normal(WIDTH)
    )


@pytest.fixture(autouse=True)
def small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "SAMPLE_ROWS", 8_000)


def _specs(*factories: str) -> list[IndexSpec]:
    return [knn.spec_of_factory(factory, COUNT) for factory in factories]


def test_one_type_needs_no_trial(vectors: np.ndarray, queries: np.ndarray) -> None:
    (spec,) = _specs(SQFP16)
    choice = choose_index([spec], IndexRequest(), vectors, queries)
    assert (choice.spec, choice.trials) == (spec, ())


def test_each_type_is_built_and_tuned_over_the_same_sample(vectors: np.ndarray, queries: np.ndarray) -> None:
    reported: list[str] = []
    choice = choose_index(_specs(SQFP16, SQ4, PQ), IndexRequest(target_recall=0.9), vectors, queries, reported.append)
    assert [trial.spec.factory for trial in choice.trials] == [SQFP16, SQ4, PQ]
    assert choice.spec in [trial.spec for trial in choice.trials]
    assert reported.pop(0) == "finding the centres of 1,024 lists"
    for trial, line in zip(choice.trials, reported, strict=True):
        assert (trial.sample_rows, trial.tuning.k, trial.tuning.target_recall) == (8_000, 20, 0.9)
        assert trial.estimated_ms > 0
        assert line.startswith(f"tried {trial.spec.factory} on 8,000 products: recall 0.")
    assert choice.trials[0].tuning.reached_target
    top = [max(point.recall.strict for point in trial.tuning.curve) for trial in choice.trials]
    assert top[0] > top[1] > 0.5


def test_the_estimate_of_memory_is_that_of_the_whole_index(vectors: np.ndarray, queries: np.ndarray) -> None:
    choice = choose_index(_specs(SQFP16, SQ4), IndexRequest(), vectors, queries)
    for trial in choice.trials:
        whole = fill_index(trial.spec, vectors, seed=0)
        assert trial.index_bytes == pytest.approx(whole.index_bytes, rel=0.1)


@pytest.mark.parametrize(("factory", "kindness"), [("IVF64,SQ4", 0.005), ("IVF64,PQ16x4fs", 0.03)])
def test_recall_of_the_few_best_of_a_sample_is_the_recall_of_all(
    vectors: np.ndarray, queries: np.ndarray, factory: str, kindness: float
) -> None:
    """All lists are visited, so that coarse codes alone decide. At a depth of 100 the sample would promise more."""
    spec, everything = IndexSpec(factory, 10_000), OperatingPoint(nprobe=64)

    def recall(rows: np.ndarray, depth: int) -> float:
        found = fill_index(spec, rows, seed=0).search(queries, depth, everything)
        return knn.make_ground_truth(rows, queries, depth).measure(found).strict

    sample = vectors[np.random.default_rng(7).choice(COUNT, COUNT // 4, replace=False)]
    whole = recall(vectors, 100)
    assert recall(sample, 25) == pytest.approx(whole, abs=0.02)
    assert recall(sample, 100) > whole + kindness


def test_the_depth_on_a_sample_is_its_share_of_the_depth_over_all() -> None:
    assert choosing._depth(300_000, 3_000_000) == 10
    assert choosing._depth(300_000, 300_000_000) == 2  # one answer alone has no spread of scores
    assert [choosing._depth(count, count) for count in (1, 2, 50, 1_000)] == [1, 2, 50, 100]


def a_trial(factory: str, recall: float, ms: float, target: float = 0.99) -> Trial:
    point = TuningPoint(OperatingPoint(nprobe=8), Recall(recall, recall, 0.0, 100), ms)
    return Trial(IndexSpec(factory, 300), 100, 1, Tuning(point, recall >= target, target, 100, (point,)), ms)


@pytest.mark.parametrize(
    ("trials", "timed", "best"),
    [
        ([("a", 0.991, 1.0), ("b", 0.999, 0.5), ("c", 0.992, 0.7)], True, "b"),
        ([("a", 0.991, 1.0), ("b", 0.989, 0.5), ("c", 0.992, 0.7)], True, "c"),
        ([("a", 0.991, 1.0), ("b", 0.999, 0.91)], True, "a"),
        ([("a", 0.991, 1.0), ("b", 0.999, 0.89)], True, "b"),
        ([("a", 0.98, 0.1), ("b", 0.985, 0.5), ("c", 0.97, 0.01)], True, "b"),
        ([("a", 0.98, 0.1), ("b", 0.991, 9.0), ("c", 0.999, 0.01)], False, "b"),
    ],
)
def test_the_fastest_that_reaches_the_target(trials: list[tuple[str, float, float]], timed: bool, best: str) -> None:
    assert choosing._best([a_trial(*trial) for trial in trials], timed).spec.factory == best


def _tuning(nprobe: int | None) -> Tuning:
    point = TuningPoint(OperatingPoint(nprobe=nprobe), Recall(1.0, 1.0, 0.0, 100), 0.5)
    return Tuning(point, True, 0.99, 100, (point,))


@pytest.mark.parametrize(("nprobe", "visited"), [(4, 4), (20, 10)])
def test_a_search_through_lists_is_timed_in_lists_as_long_as_over_all(
    vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch, nprobe: int, visited: int
) -> None:
    """Choosing a list takes 0.01 ms for each that there is, a visit 1 ms."""

    def time_queries(index: knn.VectorIndex, queries: object, k: int, point: OperatingPoint) -> float:
        lists = index.structure.list_count or 0
        assert (k, lists, point.nprobe) in [(100, 10, visited), (1, 40, 1), (1, 10, 1)]
        return 0.01 * lists + (point.nprobe or 0)

    monkeypatch.setattr(choosing, "time_queries", time_queries)
    spec, few_centres = IndexSpec("IVF40,SQfp16", 1_000), knn.cluster_lists(10, vectors[:1_000])
    tried = TrialData(vectors[:1_000], vectors[:3], 4_000, IndexRequest(), few_centres)
    index = fill_index(spec, tried.sample, seed=0)
    estimate = choosing._estimate_ms(index, spec, _tuning(nprobe), tried)
    assert estimate == pytest.approx((0.1 + visited) * nprobe / visited + 0.3)


@pytest.mark.parametrize(("factory", "count", "estimate"), [("Flat", 4_000, 2.0), ("IVF16,SQfp16", 1_000, 0.5)])
def test_all_rows_take_longer_in_proportion_and_the_same_products_take_the_same(
    vectors: np.ndarray, factory: str, count: int, estimate: float
) -> None:
    spec, tried = (
        IndexSpec(factory, 1_000),
        TrialData(vectors[:1_000], vectors[:3], count, IndexRequest(), vectors[:16]),
    )
    index = fill_index(spec, tried.sample, seed=0)
    assert choosing._estimate_ms(index, spec, _tuning(index.structure.list_count), tried) == pytest.approx(estimate)


def test_the_index_built_in_the_end_has_the_lists_of_the_trials(vectors: np.ndarray, queries: np.ndarray) -> None:
    choice = choose_index(_specs(SQFP16, SQ4), IndexRequest(seed=3), vectors, queries)
    assert choice.centres is not None
    with_them = fill_index(choice.spec, vectors, 3, choice.centres)
    without = fill_index(choice.spec, vectors, 3)
    point = OperatingPoint(nprobe=4)
    assert np.array_equal(with_them.search(queries, 10, point).rows, without.search(queries, 10, point).rows)


def test_without_a_gpu_times_say_nothing_of_one(
    vectors: np.ndarray, queries: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "gpu_count", lambda: 0)
    monkeypatch.setattr(choosing, "torch_gpu_count", lambda: 0)
    choice = choose_index(_specs("SQfp16", SQFP16), IndexRequest(device="cuda"), vectors, queries)
    assert choice.spec.factory == "SQfp16"
    assert choice.trials[1].estimated_ms < choice.trials[0].estimated_ms


class _Moved:
    closed = False

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("device", "gpus", "moves"), [("cpu", 1, False), ("cuda", 0, False), ("cuda", 1, True)])
def test_an_index_is_measured_where_it_will_be_searched(
    vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch, device: knn.Device, gpus: int, moves: bool
) -> None:
    index, moved, asked = fill_index(IndexSpec("Flat", 0), vectors[:10], seed=0), _Moved(), list[int]()
    monkeypatch.setattr(choosing, "gpu_count", lambda: gpus)
    monkeypatch.setattr(choosing, "torch_gpu_count", lambda: 0)
    monkeypatch.setattr(choosing, "to_gpu", lambda _, gpu: [asked.append(gpu), moved][1])
    with on_device(index, IndexRequest(device=device, gpu=3)) as served:
        assert served is (moved if moves else index)
        assert not moved.closed
    assert moved.closed == moves
    assert asked == ([3] if moves else [])


def test_a_type_that_no_gpu_takes_is_measured_on_the_cpu(vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object, gpu: int) -> None:
        raise knn.DeviceError("refused")

    monkeypatch.setattr(choosing, "gpu_count", lambda: 1)
    monkeypatch.setattr(choosing, "to_gpu", refuse)
    index = fill_index(IndexSpec("Flat", 0), vectors[:10], seed=0)
    with on_device(index, IndexRequest(device="cuda")) as served:
        assert served is index
