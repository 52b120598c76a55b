"""The exported query side with its layers in eight bits: smaller, and faster on most CPUs.

The inputs of a layer are rounded over a range that is found once, on queries of the training logs (static
quantisation); what lies outside of it is cut off. A range found while the model runs would be that of a whole batch, so
that the vector of a query would depend on the others: a hundredth of a query's 100 best products changed with its
company. With ranges that stand fast each token is rounded by itself.
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

    Weights have seven bits and a scale for each output: without VNNI, products of eight bits are added in pairs in 16
    bits and may be cut off there, so that CPUs would differ. The last layers and the embedding tables stay in float32:
    they cost little time and much likeness.

    Args:
        source: encoder.onnx in float32.
        target: where to write.
        samples: inputs of the encoder, in batches, over which the ranges are found; at least one.
    """
    model = onnx.load(source)
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")  # the export has optimised it
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
    """Gives one batch after the other, as ONNX Runtime asks for them."""

    def __init__(self, samples: Iterable[Mapping[str, TokenIds]]) -> None:
        self._samples: Iterator[Mapping[str, TokenIds]] = iter(samples)

    def get_next(self) -> Mapping[str, TokenIds] | None:
        """The next batch; None after the last."""
        return next(self._samples, None)


def _layers(graph: onnx.GraphProto) -> set[str]:
    """Names of the layers with weights."""
    weights = {weight.name for weight in graph.initializer}
    return {node.name for node in graph.node if node.op_type in _LAYERS and weights.intersection(node.input)}


def _last_layers(graph: onnx.GraphProto) -> set[str]:
    """Names of the layers from which no other layer is reached: the projection, of a sum of towers those of each."""
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
