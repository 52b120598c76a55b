"""The exported query side with its weights in eight bits: smaller, and faster on most CPUs.

The inputs of a layer are rounded to eight bits too, over a range that is found while the model runs (dynamic
quantisation). ONNX Runtime takes one range for the whole input, so the vector of a query would depend on the others
of its batch: a hundredth of a query's 100 best products changed with its company. Hence the file takes one query at
a time, which `OnnxQueryEncoder` reads off it. A padded text would move the range as well; alone a query has no padding.
"""

from collections.abc import Iterable
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.onnx_model import ONNXModel

from towers.onnx_file import forget_origins

_LAYER = "MatMul"


def write_int8(source: Path, target: Path) -> None:
    """Write the int8 version of an exported query side.

    Weights have seven bits and a scale for each output: without VNNI, products of eight bits are added in pairs in 16
    bits and may be cut off there, so that CPUs would differ. The last layers and the embedding tables stay in float32:
    they cost little time and much likeness.

    Args:
        source: encoder.onnx in float32.
        target: where to write.
    """
    model = onnx.load(source)
    del model.graph.value_info[:]  # shapes of weights, some of which the next line turns round
    ONNXModel(model).replace_gemm_with_matmul()  # as below, but now, so that the last layers have their final names
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")  # the export has optimised it
    quantize_dynamic(
        model,
        target,
        op_types_to_quantize=[_LAYER],
        nodes_to_exclude=sorted(_last_layers(model.graph)),
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
    )
    _take_one_at_a_time(target)
    forget_origins(target)


def _last_layers(graph: onnx.GraphProto) -> set[str]:
    """Names of the layers from which no other layer is reached: the projection, of a sum of towers those of each."""
    weights = {weight.name for weight in graph.initializer}
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
        if node.op_type == _LAYER and weights.intersection(node.input):
            last.add(node.name)
        else:
            values.extend(node.input)
    return last


def _take_one_at_a_time(path: Path) -> None:
    """Set the batch dimension to 1, so that ONNX Runtime refuses more."""
    model = onnx.load(path)
    _set_rows(model.graph.input)
    _set_rows(model.graph.output)
    onnx.save(model, path)


def _set_rows(values: Iterable[onnx.ValueInfoProto]) -> None:
    for value in values:
        value.type.tensor_type.shape.dim[0].dim_value = 1
