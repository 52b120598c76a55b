"""Quantisation of the exported query side to int8, which is smaller, and faster on most CPUs.

The inputs of a layer are rounded within a range that is computed once, on queries of the training logs (static
quantisation); values outside of it are clipped. With dynamic quantisation the range would be that of a whole batch, so
that a query's vector would depend on the other queries: one in a hundred of its 100 best products changed with the
batch. With fixed ranges each token is rounded independently.

Pretrained encoders have outliers: a few columns of a layer's input, mostly at the first token, are ten times as large
as all others. A range that holds them is too coarse for the rest, so those columns are multiplied in float32 beside the
int8 product (Dettmers et al. 2022, "LLM.int8()"). Weights are rounded one input column after the other, and the
error of each is made good by the columns that follow, as far as these inputs allow (Frantar et al. 2022, "GPTQ").
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

from towers.onnx_file import strip_metadata
from towers.tokens import TokenIds

Array = npt.NDArray[Any]

_LAYERS = ("Gemm", "MatMul")
_LARGEST_WEIGHT = 64  # seven bits
_MOST_OUTLIERS = 1 / 24  # of the columns of an input
_OUTLIER = 1.5  # an outlier's largest value, as a multiple of the median column's
_RANGE_SHARES = np.linspace(0.5, 1, 11)  # parts of the whole range that are tried as the range
_DAMPING = 0.01  # of the mean square of an input's columns; without it unseen directions would be weighted with 0
_BLOCK = 64  # columns after which an error is carried on to all later ones
_ORDER_BATCHES = 8  # batches of samples on which inputs are sorted by the error that rounding them causes


@dataclass(frozen=True)
class _Layer:
    """A layer with weights, (K, N), and its bias, (N,)."""

    node: onnx.NodeProto
    weights: Array
    bias: Array | None


@dataclass(frozen=True)
class _Rounded:
    """How an input of layers is rounded, with the layers' weights beside each other.

    Attributes:
        scale: of the input.
        zero: the byte that stands for 0.
        outliers: (k,) columns of the input that stay in float32.
        scales: (N,) of the weights.
        weights: (K, N) int8; 0 for outliers.
    """

    scale: np.float32
    zero: np.uint8
    outliers: Array
    scales: Array
    weights: Array


class Int8Version:
    """The int8 version of an exported query side.

    Weights have seven bits and a scale for each output. Without VNNI, a CPU adds pairs of eight-bit products in 16
    bits, which may overflow, so that CPUs would give different results. The last layers and the embedding tables stay
    in float32, since quantising them would save little time and change the vectors much.

    Args:
        source: encoder.onnx in float32.
        samples: batches of inputs of the encoder, from which ranges and weights are computed; at least one.
    """

    def __init__(self, source: Path, samples: Iterable[Mapping[str, TokenIds]]) -> None:
        self._model = onnx.load(source)
        self._samples = list(samples)
        graph = self._model.graph
        chosen = _layers(graph) - _last_layers(graph)
        self._layers: dict[str, list[_Layer]] = {}  # by the name of their input
        for node in graph.node:
            if node.name in chosen:
                self._layers.setdefault(node.input[0], []).append(_read_layer(graph, node))
        inputs = _states(self._model, list(self._layers), self._samples)
        self._rounded = {
            name: _round(states, np.hstack([layer.weights for layer in self._layers[name]]))
            for name, states in inputs.items()
        }

    @cached_property
    def by_error(self) -> Sequence[str]:
        """The names of the layers' inputs, first the one whose rounding alone changes the samples' vectors most.

        The change is the mean squared distance between the vectors of the float32 and the rounded version.
        """
        samples, output = self._samples[:_ORDER_BATCHES], self._model.graph.output[0].name
        expected = _states(self._model, [output], samples)[output]
        errors = {}
        for name in self._layers:
            found = _states(self._with_rounded({name}), [output], samples)[output]
            errors[name] = np.square(found - expected, dtype=np.float64).mean()
        return sorted(errors, key=lambda name: -errors[name])

    def write(self, target: Path, exact: Collection[str] = ()) -> None:
        """Write the version as a file.

        Args:
            target: the file.
            exact: names of inputs whose layers stay in float32.
        """
        onnx.save(self._with_rounded(self._layers.keys() - set(exact)), target)
        strip_metadata(target)

    def _with_rounded(self, names: Collection[str]) -> onnx.ModelProto:
        """Return a model in which the layers of these inputs are rounded."""
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        replaced: dict[str, list[onnx.NodeProto]] = {}
        constants: list[onnx.TensorProto] = []
        for name in (name for name in self._layers if name in names):
            rounded, first = self._rounded[name], 0
            before = _input_nodes(name, rounded, constants)
            for layer in self._layers[name]:
                part = slice(first, first := first + layer.weights.shape[1])
                replaced[layer.node.name] = before + _layer_nodes(layer, rounded, part, constants)
                before = []
        nodes = [new for node in self._model.graph.node for new in replaced.get(node.name, [node])]
        used = {name for node in nodes for name in node.input}
        kept = [weight for weight in self._model.graph.initializer if weight.name in used]
        del model.graph.node[:], model.graph.initializer[:]
        model.graph.node.extend(nodes)
        model.graph.initializer.extend([*kept, *constants])
        return model


def _round(states: Array, weights: Array) -> _Rounded:
    """Find the outliers and the range of an input and round the weights for it.

    Args:
        states: (n, K) float32, samples of the input.
        weights: (K, N).
    """
    largest = np.abs(states).max(axis=0)
    outliers = np.sort(np.argsort(-largest, kind="stable")[: int(_MOST_OUTLIERS * len(largest))])
    outliers = outliers[largest[outliers] > _OUTLIER * np.median(largest)]
    others = states.copy()
    others[:, outliers] = 0
    scale, zero = _range(others)
    weights = weights.astype(np.float64)
    weights[outliers] = 0
    scales = np.maximum(np.abs(weights).max(axis=0) / _LARGEST_WEIGHT, 1e-12).astype(np.float32)
    return _Rounded(scale, zero, outliers, scales, _round_weights(weights, scales, others))


def _range(states: Array) -> tuple[np.float32, np.uint8]:
    """Return scale and zero point of the range that gives the smallest squared error."""
    low, high = min(float(states.min()), 0.0), max(float(states.max()), 1e-6)
    some = states[:: max(1, len(states) // 1024)]
    found = []
    for share in _RANGE_SHARES:
        scale = (high - low) * share / 255
        zero = round(-low * share / scale)
        error = np.square((np.clip(np.round(some / scale) + zero, 0, 255) - zero) * scale - some).mean()
        found.append((error, scale, zero))
    _, scale, zero = min(found)
    return np.float32(scale), np.uint8(zero)


def _round_weights(weights: Array, scales: Array, states: Array) -> Array:
    """Round weights, (K, N), so that the products with states, (n, K), change little (GPTQ)."""
    squares = (states.T @ states).astype(np.float64)
    diagonal = np.diag(squares).copy()
    squares[np.diag_indices_from(squares)] += _DAMPING * diagonal.mean() + 1e-9
    order = np.argsort(-diagonal, kind="stable")  # the largest inputs first, while most columns can make good
    factors = np.linalg.cholesky(np.linalg.inv(squares[np.ix_(order, order)])).T
    left, result = weights[order], np.empty(weights.shape, dtype=np.int8)
    for start in range(0, len(left), _BLOCK):
        end = min(start + _BLOCK, len(left))
        errors = np.empty((end - start, left.shape[1]))
        for row in range(start, end):
            rounded = np.clip(np.round(left[row] / scales), -_LARGEST_WEIGHT, _LARGEST_WEIGHT)
            result[order[row]] = rounded
            errors[row - start] = (left[row] - rounded * scales) / factors[row, row]
            left[row + 1 : end] -= np.outer(factors[row, row + 1 : end], errors[row - start])
        left[end:] -= factors[start:end, end:].T @ errors
    return result


def _input_nodes(name: str, rounded: _Rounded, constants: list[onnx.TensorProto]) -> list[onnx.NodeProto]:
    """Return the nodes that round an input and take out its outliers; their constants are appended."""
    scale = _constant(f"{name}_scale", rounded.scale, constants)
    zero = _constant(f"{name}_zero", rounded.zero, constants)
    nodes = [
        helper.make_node("QuantizeLinear", [name, scale, zero], [f"{name}_int8"]),
        helper.make_node("DequantizeLinear", [f"{name}_int8", scale, zero], [f"{name}_rounded"]),
    ]
    if len(rounded.outliers):
        columns = _constant(f"{name}_columns", rounded.outliers.astype(np.int64), constants)
        nodes.append(helper.make_node("Gather", [name, columns], [f"{name}_outliers"], axis=-1))
    return nodes


def _layer_nodes(
    layer: _Layer, rounded: _Rounded, part: slice, constants: list[onnx.TensorProto]
) -> list[onnx.NodeProto]:
    """Return a layer in int8, in the form that ONNX Runtime runs as one integer product, and its float32 part."""
    name, (source, output) = layer.node.name, (layer.node.input[0], layer.node.output[0])
    scales = rounded.scales[part]
    zeros = np.zeros(len(scales), dtype=np.int8)
    values = {f"{name}_weights": rounded.weights[:, part], f"{name}_scales": scales, f"{name}_zeros": zeros}
    weights = [_constant(key, value, constants) for key, value in values.items()]
    nodes = [helper.make_node("DequantizeLinear", weights, [f"{name}_read"], axis=1)]
    inputs = [f"{source}_rounded", f"{name}_read"]
    if layer.bias is not None:
        units = rounded.scale * scales
        bias = np.clip(np.round(layer.bias / units.astype(np.float64)), -(2**31), 2**31 - 1).astype(np.int32)
        zeros = np.zeros(len(units), dtype=np.int32)
        values = {f"{name}_bias": bias, f"{name}_bias_scales": units, f"{name}_bias_zeros": zeros}
        parts = [_constant(key, value, constants) for key, value in values.items()]
        nodes.append(helper.make_node("DequantizeLinear", parts, [f"{name}_bias_read"], axis=0))
        inputs.append(f"{name}_bias_read")
    outliers = len(rounded.outliers) > 0
    product = f"{name}_product" if outliers else output
    nodes.append(helper.make_node(layer.node.op_type, inputs, [product], name=name))
    if outliers:
        exact = _constant(f"{name}_exact", layer.weights[rounded.outliers], constants)
        if layer.node.op_type == "Gemm":
            nodes.append(helper.make_node("Gemm", [f"{source}_outliers", exact, product], [output]))
        else:
            nodes.append(helper.make_node("MatMul", [f"{source}_outliers", exact], [f"{name}_apart"]))
            nodes.append(helper.make_node("Add", [product, f"{name}_apart"], [output]))
    return nodes


def _constant(name: str, value: Array | np.generic, constants: list[onnx.TensorProto]) -> str:
    constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
    return name


def _states(
    model: onnx.ModelProto, names: Sequence[str], samples: Iterable[Mapping[str, TokenIds]]
) -> dict[str, Array]:
    """Return values of a model on all samples, each as rows, (n, K)."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    given = {output.name for output in model.graph.output}
    watched.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names if name not in given
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(watched.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: dict[str, list[Array]] = {name: [] for name in names}
    for batch in samples:
        for name, values in zip(names, session.run(list(names), batch), strict=True):
            found[name].append(values.reshape(-1, values.shape[-1]))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _read_layer(graph: onnx.GraphProto, node: onnx.NodeProto) -> _Layer:
    given = {weight.name: weight for weight in graph.initializer}
    weights = numpy_helper.to_array(given[node.input[1]])
    transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    bias = numpy_helper.to_array(given[node.input[2]]) if len(node.input) > 2 else None
    return _Layer(node, weights.T if transposed else weights, bias)


def _layers(graph: onnx.GraphProto) -> set[str]:
    """Return the names of the layers with weights."""
    weights = {weight.name for weight in graph.initializer}
    found = [node for node in graph.node if node.op_type in _LAYERS and node.input[1] in weights]
    return {node.name for node in found if weights.issuperset(node.input[2:])}


def _last_layers(graph: onnx.GraphProto) -> set[str]:
    """Return the names of the layers that no other layer follows: the projection of each tower or of the fusion."""
    layers = _layers(graph)
    makers = {output: node for node in graph.node for output in node.output}
    last: set[str] = set()
    seen: set[str] = set()
    values = [output.name for output in graph.output]
    while values:
        value = values.pop()
        node = makers.get(value)
        if node is None or value in seen:
            continue
        seen.add(value)
        if node.name in layers:
            last.add(node.name)
        else:
            values.extend(node.input)
    return last
