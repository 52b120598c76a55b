"""The int8 version of the exported query side: what is rounded, and that no query's vector depends on another."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from artifacts.bundle import ModelBundle
from tests.support.models import QUERIES
from towers import int8
from towers.int8 import write_int8
from towers.query_encoder import OnnxQueryEncoder, Vectors
from towers.tokens import read_tokenizers

Exported = Callable[[str], ModelBundle]
MANY = [f"{word} {number}" for number in range(9) for word in ("red shoe", "blue", "cotton dress women", "x")]


@pytest.fixture
def rounded(exported: Exported, tmp_path: Path) -> Callable[[str], Path]:
    """Copies a composition's query side and puts the int8 version in its place."""

    def folder(composition: str) -> Path:
        source = exported(composition).query_folder
        target = Path(shutil.copytree(source, tmp_path / composition))
        write_int8(source / "encoder.onnx", target / "encoder.onnx")
        return target

    return folder


def layers(graph: onnx.GraphProto) -> list[str]:
    """Names of the layers with weights."""
    weights = {weight.name for weight in graph.initializer}
    return [node.name for node in graph.node if node.op_type in ("MatMul", "Gemm") and weights & set(node.input)]


# Layers of the tiny models: four a transformer block and two blocks, five in CLIP's last one, where queries are
# projected apart from keys and values, a projection a tower, two of the MLP, whose towers are outputs too.
@pytest.mark.parametrize(
    ("composition", "all_layers", "last"), [("bibert", 9, 1), ("clip", 10, 1), ("cat", 19, 2), ("mlp", 21, 3)]
)
def test_all_layers_but_the_last_are_rounded(
    exported: Exported, rounded: Callable[[str], Path], composition: str, all_layers: int, last: int
) -> None:
    before = onnx.load(exported(composition).query_folder / "encoder.onnx").graph
    after = onnx.load(rounded(composition) / "encoder.onnx").graph
    assert len(layers(before)) == all_layers
    assert len(layers(after)) == last
    assert [node.op_type for node in after.node].count("MatMulInteger") == all_layers - last


def test_vectors_are_nearly_those_of_float32(exported: Exported, rounded: Callable[[str], Path]) -> None:
    for composition in ("bibert", "clip", "alpha", "mlp"):
        bundle = exported(composition)
        exact = OnnxQueryEncoder(bundle.query_folder, bundle.query).encode(MANY)
        vectors = OnnxQueryEncoder(rounded(composition), bundle.query).encode(MANY)
        assert (vectors.shape, vectors.dtype) == (exact.shape, np.float32)
        cosines = (vectors * exact).sum(axis=1)
        assert 0.99 < cosines.min() < 1 - 1e-6  # and they are rounded indeed


def test_vectors_are_those_of_another_implementation(exported: Exported, rounded: Callable[[str], Path]) -> None:
    """Onnx's own, which adds in whole numbers of any size: nothing is cut off in 16 bits here."""
    bundle, folder = exported("mlp"), rounded("mlp")
    reference = ReferenceEvaluator(str(folder / "encoder.onnx"))
    tokenizers = read_tokenizers(folder, bundle.query)
    vectors = OnnxQueryEncoder(folder, bundle.query).encode(QUERIES)
    for query, vector in zip(QUERIES, vectors, strict=True):
        inputs = {f"{name}_ids": read.encode([query]) for name, read in tokenizers.items()}
        (expected,) = reference.run(["vectors"], inputs)
        assert float(vector @ expected[0]) > 1 - 1e-5


def test_weights_leave_room_for_a_sum_of_two_products_in_16_bits(rounded: Callable[[str], Path]) -> None:
    graph = onnx.load(rounded("bibert") / "encoder.onnx").graph
    weights = [numpy_helper.to_array(weight) for weight in graph.initializer if weight.name.endswith("_quantized")]
    assert len(weights) == 8 and {weight.dtype for weight in weights} == {np.dtype(np.int8)}
    assert max(np.abs(weight.astype(int)).max() for weight in weights) == 64
    assert 2 * 64 * 255 < 2**15


@pytest.mark.parametrize("threads", [1, 3])
def test_a_query_has_exactly_the_same_vector_in_any_company(
    exported: Exported, rounded: Callable[[str], Path], threads: int
) -> None:
    encoder = OnnxQueryEncoder(rounded("cat"), exported("cat").query, threads=threads)
    alone = np.concatenate([encoder.encode([query]) for query in [*MANY, *QUERIES]])
    assert np.array_equal(encoder.encode([*MANY, *QUERIES]), alone)
    assert np.array_equal(encoder.encode([*QUERIES, *MANY]), np.roll(alone, len(QUERIES), axis=0))
    assert encoder.encode([]).shape == (0, 56)


def test_a_batch_is_refused_by_the_file_itself(exported: Exported, rounded: Callable[[str], Path]) -> None:
    encoder = OnnxQueryEncoder(rounded("bibert"), exported("bibert").query)
    with pytest.raises(InvalidArgument, match="Got invalid dimensions for input: bibert_ids"):
        encoder._run(["vectors"], ["red shoe", "blue"])


def test_in_one_batch_vectors_would_depend_on_each_other(
    exported: Exported, rounded: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why the file takes one query at a time."""
    monkeypatch.setattr(int8, "_take_one_at_a_time", lambda path: None)
    encoder = OnnxQueryEncoder(rounded("bibert"), exported("bibert").query)
    alone: Vectors = np.concatenate([encoder.encode([query]) for query in MANY])
    assert (encoder.encode(MANY) * alone).sum(axis=1).min() < 1 - 1e-5


def test_the_same_export_gives_the_same_file_that_tells_nothing_of_the_machine(
    exported: Exported, rounded: Callable[[str], Path], tmp_path: Path
) -> None:
    first = (rounded("3tmm") / "encoder.onnx").read_bytes()
    write_int8(exported("3tmm").query_folder / "encoder.onnx", tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == first
    assert str(Path(int8.__file__).parents[1]).encode() not in first and str(tmp_path).encode() not in first
