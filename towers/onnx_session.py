"""ONNX Runtime sessions of the search service's encoders. This file needs no torch."""

from pathlib import Path

import onnxruntime as ort

from artifacts.errors import DamagedError
from towers.errors import one_line


def open_session(path: Path, what: str, threads: int) -> ort.InferenceSession:
    """Load an exported encoder.

    Args:
        path: the ONNX file.
        what: name of the encoder in error messages.
        threads: number of threads that one batch may use.

    Raises:
        DamagedError: the file cannot be loaded.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that spin between two batches would take the cores from FAISS.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common base class
        raise DamagedError(f"{path} cannot be loaded as a {what}: {one_line(error)}") from error
