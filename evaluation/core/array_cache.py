"""Arrays kept in the results' work folder, so that an interrupted evaluation goes on."""

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
    """Write named arrays atomically; the folder is made where it is missing."""
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_checksummed(path, buffer.getvalue())


def read_arrays(path: Path) -> Arrays | None:
    """The arrays that were kept under this path, or None where there are none, or damaged ones."""
    content = read_checksummed(path)
    if content is None:
        return None
    with np.load(BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
