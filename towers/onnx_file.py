"""Reproducible ONNX files, which depend only on the model."""

from pathlib import Path

import onnx


def strip_metadata(path: Path) -> None:
    """Remove the source locations of operators and other metadata from an ONNX file.

    Otherwise the fingerprint of a model would depend on the folder in which Vitrine is installed.
    """
    model = onnx.load(path, load_external_data=False)  # weights in a second file are not changed
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.functions):
        del part.metadata_props[:]
        part.doc_string = ""
    for function in model.functions:
        for node in function.node:
            del node.metadata_props[:]
            node.doc_string = ""
    onnx.save(model, path)
