"""Int8 is shipped if it finds the same, gives the same in any company, and is faster; otherwise float32."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from artifacts.bundle import EncoderComparison, EncoderCost, ModelBundle
from tests.support.models import tiny_bundle
from towers.query_encoder import OnnxQueryEncoder, Vectors
from training.after_fit import int8_choice as encoder_choice
from training.after_fit.int8_choice import choose, choose_encoder, compare, int8_version, write_candidate

WORDS = ("red", "blue", "shoe", "shoes", "dress", "cotton", "women", "men", "kids", "toy", "pan", "cap")
QUERIES = [f"{one} {other}" for one in WORDS for other in WORDS]
SAMPLES = ["red cotton shoes", "pan", "blue dress women"]
FINDS = "int8 finds {}% of the 100 products that fp32 finds"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "bibert")


@pytest.fixture
def folder(bundle: ModelBundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle.query_folder, tmp_path / "bundle" / "query"))


def written_candidate(bundle: ModelBundle, tmp_path: Path) -> Path:
    candidate = tmp_path / "int8"
    candidate.mkdir()
    version = int8_version(bundle.query_folder, bundle.query, SAMPLES)
    write_candidate(bundle.query_folder, bundle.query, version, candidate)
    return candidate


def unit_vectors(count: int, width: int = 32) -> Vectors:
    vectors = np.random.default_rng(0).standard_normal((count, width), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def comparison(
    *, overlap: float = 0.995, cosine: float = 1.0, ms: float = 0.2, batch_ms: float = 0.2
) -> EncoderComparison:
    return EncoderComparison(
        queries=1000,
        products=5000,
        overlap_at_100=overlap,
        batch_cosine=cosine,
        fp32=EncoderCost(ms=0.4, batch_ms=0.3, bytes=4_000),
        int8=EncoderCost(ms=ms, batch_ms=batch_ms, bytes=1_000),
    )


@pytest.mark.parametrize(
    ("measured", "precision", "reason"),
    [
        (
            comparison(overlap=0.99),
            "int8",
            f"{FINDS.format('99.0')} and takes 0.2 ms a query for 0.4, in batches 0.2 for 0.3",
        ),
        (comparison(overlap=0.985), "fp32", f"{FINDS.format('98.5')}, 99% are wanted"),
        (comparison(overlap=float("nan")), "fp32", f"{FINDS.format('nan')}, 99% are wanted"),
        (
            comparison(cosine=0.9998),
            "fp32",
            "int8 vectors depend on the queries beside them: their cosine goes down to 0.999800, 0.99999 is wanted",
        ),
        (
            comparison(ms=0.39),
            "fp32",
            "int8 is not faster: it takes 0.39 ms a query for 0.4, in batches 0.2 for 0.3",
        ),
        (
            comparison(batch_ms=0.31),
            "fp32",
            "int8 is not faster: it takes 0.2 ms a query for 0.4, in batches 0.31 for 0.3",
        ),
    ],
)
def test_the_rule(measured: EncoderComparison, precision: str, reason: str) -> None:
    choice = choose(measured)
    assert (choice.precision, choice.reason, choice.comparison) == (precision, reason, measured)


def test_the_comparison_is_that_of_lists_sorted_by_hand(bundle: ModelBundle, folder: Path, tmp_path: Path) -> None:
    rounded = written_candidate(bundle, tmp_path)
    products = unit_vectors(1500)
    measured = compare((folder, rounded), bundle.query, QUERIES, products)
    fp32, int8 = (OnnxQueryEncoder(side, bundle.query).encode(QUERIES) for side in (folder, rounded))
    shared = [
        len(set(np.argsort(-products @ one)[:100]) & set(np.argsort(-products @ other)[:100]))
        for one, other in zip(fp32, int8, strict=True)
    ]
    assert measured.overlap_at_100 == pytest.approx(np.mean(shared) / 100, abs=1e-4)
    assert 0.5 < measured.overlap_at_100 < 1
    assert measured.batch_cosine == pytest.approx(1, abs=1e-6)
    assert (measured.queries, measured.products) == (144, 1500)
    assert measured.fp32.bytes == (folder / "encoder.onnx").stat().st_size
    assert measured.int8.bytes == (rounded / "encoder.onnx").stat().st_size < measured.fp32.bytes
    assert 0 < measured.fp32.batch_ms < measured.fp32.ms < 100 and 0 < measured.int8.ms < 100


def faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Int8 takes half the time, which it does not for a model as small as this."""
    monkeypatch.setattr(encoder_choice, "_median_ms", lambda encoders, batches: [1.0, 0.5])


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_int8_that_passes_becomes_the_one_encoder(
    bundle: ModelBundle, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faster(monkeypatch)
    before = files(folder.parent)
    choice = choose_encoder(folder, bundle.query, QUERIES, SAMPLES, lambda: unit_vectors(101))
    assert choice.precision == "int8", choice.reason
    assert choice.comparison is not None and choice.comparison.overlap_at_100 >= 0.99
    expected = (written_candidate(bundle, tmp_path) / "encoder.onnx").read_bytes()
    assert files(folder.parent) == before | {"query/encoder.onnx": expected}
    assert choice.comparison.int8.bytes == (folder / "encoder.onnx").stat().st_size


def test_int8_that_finds_other_products_is_refused(
    bundle: ModelBundle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faster(monkeypatch)
    before = files(folder.parent)
    choice = choose_encoder(folder, bundle.query, QUERIES, SAMPLES, lambda: unit_vectors(30_000))
    assert choice.precision == "fp32" and choice.reason.endswith("of the 100 products that fp32 finds, 99% are wanted")
    assert choice.comparison is not None and choice.comparison.overlap_at_100 < 0.99
    assert files(folder.parent) == before


def test_where_there_is_too_little_to_compare_on_it_stays_float32(bundle: ModelBundle, folder: Path) -> None:
    before = files(folder.parent)

    def unasked() -> Vectors:
        raise AssertionError("asked for the products' vectors")

    choice = choose_encoder(folder, bundle.query, QUERIES[:99], SAMPLES, unasked)
    assert (choice.precision, choice.comparison) == ("fp32", None)
    assert choice.reason == "99 held-out queries are too few to compare int8 on, 100 are needed"
    choice = choose_encoder(folder, bundle.query, QUERIES, [], unasked)
    assert (choice.precision, choice.comparison) == ("fp32", None)
    assert choice.reason == "there are no training queries on which int8 could find its ranges"
    choice = choose_encoder(folder, bundle.query, QUERIES, SAMPLES, lambda: unit_vectors(100))
    assert (choice.precision, choice.comparison) == ("fp32", None)
    assert choice.reason == "100 products are too few to compare the best 100 of"
    assert files(folder.parent) == before
