"""The check that every array of vectors passes before it reaches FAISS.

FAISS itself converts float64 silently, answers a NaN query with row -1 and reports a wrong width by an assertion
without a message.
"""

import numpy as np

from .errors import VectorError

# Numbers checked at once, so that the check of a whole catalogue needs no second array of its size.
_NUMBERS_AT_ONCE = 1 << 22


def check_vectors(vectors: np.ndarray, width: int | None = None, name: str = "queries") -> np.ndarray:
    """Check that vectors are finite float32 of the expected width, and return them C-contiguous.

    Args:
        vectors: Shape (n, d), float32. An array that is already C-contiguous is not copied.
        width: Expected d; None accepts any d of at least 1.
        name: Name of the array in error messages.

    Returns:
        Shape (n, d), float32, C-contiguous.

    Raises:
        VectorError: The argument is no numpy array, not float32, not two-dimensional, of another width, or not finite.
    """
    if not isinstance(vectors, np.ndarray):
        raise VectorError(f"{name}: expected a numpy array, got {type(vectors).__name__}; use np.asarray first")
    if vectors.dtype != np.float32:
        raise VectorError(f"{name}: expected float32, got {vectors.dtype}; convert with .astype(np.float32)")
    if vectors.ndim != 2:
        raise VectorError(
            f"{name}: expected shape (n, width), got {vectors.shape}; reshape a single vector with .reshape(1, -1)"
        )
    _check_width(vectors.shape[1], width, name)
    _check_finite(vectors, name)
    return np.ascontiguousarray(vectors)


def _check_width(got: int, expected: int | None, name: str) -> None:
    if got == 0:
        raise VectorError(f"{name}: expected a width of at least 1, got 0; check how the vectors were made")
    if expected is not None and got != expected:
        raise VectorError(f"{name}: expected width {expected}, got {got}; encode with the model of this index")


def _check_finite(vectors: np.ndarray, name: str) -> None:
    step = max(1, _NUMBERS_AT_ONCE // vectors.shape[1])
    for start in range(0, len(vectors), step):
        finite = np.isfinite(vectors[start : start + step])
        if not finite.all():
            row = start + int(np.argmin(finite.all(axis=1)))
            raise VectorError(f"{name}: expected finite numbers, got NaN or infinity in row {row}; encode it again")
