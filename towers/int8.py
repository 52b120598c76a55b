"""Quantisation of the exported query side to int8, which is smaller, and faster on most CPUs.

The inputs of a layer are rounded within a range that is computed once, on queries of the training logs (static
quantisation); values outside of it are clipped. With dynamic quantisation the range would be that of a whole batch, so
that a query's vector would depend on the other queries: one in a hundred of its 100 best products changed with the
batch. With fixed ranges each token is rounded independently.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from towers.onnx_file import strip_metadata
from towers.tokens import TokenIds

_LAYERS = ("Gemm", "MatMul")


def write_int8(source: Path, target: Path, samples: Iterable[Mapping[str, TokenIds]]) -> None:
    """Write the int8 version of an exported query side.

    Weights have seven bits and a scale for each output. Without VNNI, a CPU adds pairs of eight-bit products in 16
    bits, which may overflow, so that CPUs would give different results. The last layers and the embedding tables stay
    in float32, since quantising them would save little time and change the vectors much.

    Args:
        source: encoder.onnx in float32.
        target: the file to write.
        samples: batches of inputs of the encoder, from which the ranges are computed; at least one.
    """
    model = onnx.load(source)
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")  # the export is optimised already
    quantize_static(
        model,
        target,
        _Samples(samples),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=list(_LAYERS),
        nodes_to_quantize=sorted(_layers(model.graph) - _last_layers(model.graph)),
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
        extra_options={"OpTypesToExcludeOutputQuantization": list(_LAYERS)},
    )
    strip_metadata(target)


class _Samples(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
    """Batches of samples for ONNX Runtime, one per call."""

    def __init__(self, samples: Iterable[Mapping[str, TokenIds]]) -> None:
        self._samples: Iterator[Mapping[str, TokenIds]] = iter(samples)

    def get_next(self) -> Mapping[str, TokenIds] | None:
        """Return the next batch; None after the last one."""
        return next(self._samples, None)


def _layers(graph: onnx.GraphProto) -> set[str]:
    """Return the names of the layers with weights."""
    weights = {weight.name for weight in graph.initializer}
    return {node.name for node in graph.node if node.op_type in _LAYERS and weights.intersection(node.input)}


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
