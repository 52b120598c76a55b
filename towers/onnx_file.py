"""ONNX files that depend on nothing but the model."""

from pathlib import Path

import onnx


def strip_metadata(path: Path) -> None:
    """Take out where in whose source files each operator came from.

    Otherwise equal models would have other fingerprints where Vitrine is installed in another place.
    """
    model = onnx.load(path, load_external_data=False)  # weights in a second file stay as they are
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.functions):
        del part.metadata_props[:]
        part.doc_string = ""
    for function in model.functions:
        for node in function.node:
            del node.metadata_props[:]
            node.doc_string = ""
    onnx.save(model, path)
