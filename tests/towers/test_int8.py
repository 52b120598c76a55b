"""The int8 version of the exported query side: what is rounded, and that no query's vector depends on another."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from artifacts.bundle import ModelBundle
from artifacts.errors import DamagedError
from tests.support.models import QUERIES
from towers import int8
from towers.int8 import Int8Version
from towers.query_encoder import OnnxQueryEncoder, Vectors, encoder_inputs
from towers.tokens import TokenIds, read_tokenizers

Exported = Callable[[str], ModelBundle]
MANY = [f"{word} {number}" for number in range(9) for word in ("red shoe", "blue", "cotton dress women", "x")]


def samples(bundle: ModelBundle, queries: list[str]) -> Iterator[dict[str, TokenIds]]:
    """Inputs of a bundle's encoder, in batches of five."""
    tokenizers = read_tokenizers(bundle.query_folder, bundle.query)
    for start in range(0, len(queries), 5):
        yield encoder_inputs(tokenizers, queries[start : start + 5])


@pytest.fixture
def rounded(exported: Exported, tmp_path: Path) -> Callable[[str], Path]:
    """Copies a composition's query side and puts the int8 version in its place."""

    def folder(composition: str) -> Path:
        bundle = exported(composition)
        target = Path(shutil.copytree(bundle.query_folder, tmp_path / composition))
        Int8Version(bundle.query_folder / "encoder.onnx", samples(bundle, MANY)).write(target / "encoder.onnx")
        return target

    return folder


def layers(graph: onnx.GraphProto) -> dict[str, list[str]]:
    """Names of the layers with weights in float32 and of those with weights in eight bits, without outliers' parts."""
    given = {weight.name for weight in graph.initializer}
    unpacked = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in given}
    found = [node for node in graph.node if node.op_type in ("MatMul", "Gemm") and node.name]
    return {
        "float32": [node.name for node in found if given & set(node.input[:2])],
        "int8": [node.name for node in found if unpacked & set(node.input[:2])],
    }


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
    assert (len(layers(before)["float32"]), layers(before)["int8"]) == (all_layers, [])
    assert (len(layers(after)["float32"]), len(layers(after)["int8"])) == (last, all_layers - last)


def test_vectors_are_nearly_those_of_float32(exported: Exported, rounded: Callable[[str], Path]) -> None:
    for composition in ("bibert", "clip", "alpha", "mlp"):
        bundle = exported(composition)
        exact = OnnxQueryEncoder(bundle.query_folder, bundle.query).encode(MANY)
        vectors = OnnxQueryEncoder(rounded(composition), bundle.query).encode(MANY)
        assert (vectors.shape, vectors.dtype) == (exact.shape, np.float32)
        cosines = (vectors * exact).sum(axis=1)
        assert 0.99 < cosines.min() < 1 - 1e-6  # and they are rounded indeed


def test_products_of_eight_bits_are_what_is_run(rounded: Callable[[str], Path], tmp_path: Path) -> None:
    """ONNX Runtime makes one step of unpacking and layer; else weights would be unpacked again for each query."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # what it writes is for this machine alone
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(str(rounded("mlp") / "encoder.onnx"), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(tmp_path / "optimised.onnx").graph
    run = [node.op_type for node in graph.node]
    assert run.count("QGemm") + run.count("MatMulIntegerToFloat") == 18
    given = {weight.name for weight in graph.initializer}
    assert not [node.name for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in given]


def test_vectors_are_those_of_another_implementation(exported: Exported, rounded: Callable[[str], Path]) -> None:
    """Onnx's own, which unpacks weights and multiplies in float32: nothing is cut off in 16 bits here."""
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
    weights = [weight for weight in graph.initializer if weight.data_type == onnx.TensorProto.INT8]
    values = [numpy_helper.to_array(weight) for weight in weights if len(weight.dims) == 2]  # the others are zeros
    assert len(values) == 8 and {weight.dtype for weight in values} == {np.dtype(np.int8)}
    assert max(np.abs(weight.astype(int)).max() for weight in values) == 64
    assert 2 * 64 * 255 < 2**15


@pytest.mark.parametrize("composition", ["bibert", "clip", "cat"])
def test_a_query_has_the_same_vector_in_any_company(
    exported: Exported, rounded: Callable[[str], Path], composition: str
) -> None:
    encoder = OnnxQueryEncoder(rounded(composition), exported(composition).query)
    alone = np.concatenate([encoder.encode([query]) for query in [*MANY, *QUERIES]])
    np.testing.assert_allclose(encoder.encode([*MANY, *QUERIES]), alone, atol=1e-6)
    np.testing.assert_allclose(encoder.encode([*QUERIES, *MANY]), np.roll(alone, len(QUERIES), axis=0), atol=1e-6)
    assert encoder.encode([]).shape == (0, encoder.width)


def test_a_query_beyond_all_ranges_still_has_a_vector_near_its_own(exported: Exported, tmp_path: Path) -> None:
    """Ranges of a single short query: what lies outside is cut off."""
    bundle = exported("bibert")
    target = Path(shutil.copytree(bundle.query_folder, tmp_path / "int8"))
    Int8Version(bundle.query_folder / "encoder.onnx", samples(bundle, ["x"])).write(target / "encoder.onnx")
    exact = OnnxQueryEncoder(bundle.query_folder, bundle.query).encode(MANY)
    vectors = OnnxQueryEncoder(target, bundle.query).encode(MANY)
    assert 0.9 < (vectors * exact).sum(axis=1).min() < 0.9999


def test_a_file_of_an_older_fit_that_takes_one_query_at_a_time_is_refused(exported: Exported, tmp_path: Path) -> None:
    target = Path(shutil.copytree(exported("bibert").query_folder, tmp_path / "old"))
    model = onnx.load(target / "encoder.onnx")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, target / "encoder.onnx")
    with pytest.raises(DamagedError, match="takes one query at a time, as older fits wrote it; fit again"):
        OnnxQueryEncoder(target, exported("bibert").query)


def test_the_same_export_gives_the_same_file_that_tells_nothing_of_the_machine(
    exported: Exported, rounded: Callable[[str], Path], tmp_path: Path
) -> None:
    first = (rounded("3tmm") / "encoder.onnx").read_bytes()
    bundle = exported("3tmm")
    Int8Version(bundle.query_folder / "encoder.onnx", samples(bundle, MANY)).write(tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == first
    assert str(Path(int8.__file__).parents[1]).encode() not in first and str(tmp_path).encode() not in first


def outlier_encoder(path: Path) -> None:
    """An encoder of three layers; one column of the first layer's input is a hundred times as large as the others."""
    draw = np.random.default_rng(0)
    table, *weights = (draw.standard_normal(shape).astype(np.float32) for shape in ((50, 32), *[(32, 32)] * 3))
    table[:, 3] *= 100
    weights[0][3] /= 100
    nodes = [onnx.helper.make_node("Gather", ["table", "ids"], ["x0"])]
    for number in range(3):
        inputs = [f"x{number}", f"w{number}", "bias"]
        nodes.append(onnx.helper.make_node("Gemm", inputs, [f"x{number + 1}"], name=f"layer{number}"))
    graph = onnx.helper.make_graph(
        nodes,
        "encoder",
        [onnx.helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, ["batch"])],
        [onnx.helper.make_tensor_value_info("x3", onnx.TensorProto.FLOAT, ["batch", 32])],
        [
            numpy_helper.from_array(table, "table"),
            *(numpy_helper.from_array(value, f"w{number}") for number, value in enumerate(weights)),
            numpy_helper.from_array(np.ones(32, dtype=np.float32), "bias"),
        ],
    )
    opset = onnx.helper.make_opsetid("", 18)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10), path)


def test_outliers_of_an_input_stay_in_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one range for all columns those of ordinary size would be lost; the layer that suffers most is named."""
    ids = np.arange(50)
    outlier_encoder(tmp_path / "float32.onnx")

    def run(path: Path) -> Vectors:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {"ids": ids})[0])

    def error(path: Path) -> float:
        exact = run(tmp_path / "float32.onnx")
        return float(np.linalg.norm(run(path) - exact) / np.linalg.norm(exact))

    Int8Version(tmp_path / "float32.onnx", [{"ids": ids}]).write(tmp_path / "apart.onnx")
    monkeypatch.setattr(int8, "_MOST_OUTLIERS", 0)
    one_range = Int8Version(tmp_path / "float32.onnx", [{"ids": ids}])
    one_range.write(tmp_path / "one_range.onnx")
    assert one_range.by_error == ["x0", "x1"]
    one_range.write(tmp_path / "kept.onnx", exact=["x0"])
    assert error(tmp_path / "apart.onnx") < 0.03 < 0.1 < error(tmp_path / "one_range.onnx")
    assert error(tmp_path / "kept.onnx") < 0.03
    assert layers(onnx.load(tmp_path / "kept.onnx").graph) == {"float32": ["layer0", "layer2"], "int8": ["layer1"]}
