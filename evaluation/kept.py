"""Arrays kept in the results' work folder, so that an interrupted evaluation goes on.

A file is its content's SHA-256, then an .npz. What is damaged counts as absent and is made again.
"""

import hashlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from artifacts.atomic import replace_file

WORK_FOLDER = ".work"  # inside the results folder
_DIGEST_BYTES = 32

Arrays = Mapping[str, npt.NDArray[Any]]


def keep_arrays(path: Path, arrays: Arrays) -> None:
    """Write named arrays atomically; the folder is made where it is missing."""
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    data = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, hashlib.sha256(data).digest() + data)


def kept_arrays(path: Path) -> Arrays | None:
    """The arrays that were kept under this path, or None where there are none, or damaged ones."""
    if not path.is_file():
        return None
    content = path.read_bytes()
    digest, data = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(data).digest() != digest:
        return None
    with np.load(BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
