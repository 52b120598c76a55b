"""Arrays cached in the work folder of the results, so that an interrupted evaluation can be resumed."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from artifacts.checksummed_file import read_checksummed, write_checksummed

WORK_FOLDER = ".work"  # inside the results folder

Arrays = Mapping[str, npt.NDArray[Any]]


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write named arrays to one file atomically; a missing folder is created."""
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_checksummed(path, buffer.getvalue())


def read_arrays(path: Path) -> Arrays | None:
    """Return the arrays of a file, or None if it is missing or damaged."""
    content = read_checksummed(path)
    if content is None:
        return None
    with np.load(BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
