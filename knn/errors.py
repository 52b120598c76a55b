"""The errors of nearest-neighbour search.

KnnError
├── VectorError       (also a ValueError)
├── ArgumentError     (also a ValueError)
├── IndexSpecError    (also a ValueError)
├── IndexFileError
└── DeviceError
    └── UnsupportedTypeError

The three that are also a ``ValueError`` mean that the caller passed a wrong argument; the other two are failures of
files or devices. Every message says what was expected, what was found and what to do.
"""


class KnnError(Exception):
    """Parent class of all errors of this package."""


class VectorError(KnnError, ValueError):
    """An array of vectors has the wrong type, shape or width, or holds a number that is not finite."""


class ArgumentError(KnnError, ValueError):
    """An argument other than the vectors is out of its range: k, an operating point, a row mask."""


class IndexSpecError(KnnError, ValueError):
    """An index of the requested type cannot be made, trained or filled."""


class IndexFileError(KnnError):
    """An index file is missing, damaged, unreadable or could not be written."""


class DeviceError(KnnError):
    """A GPU is missing, or cannot hold or search the index as asked."""


class UnsupportedTypeError(DeviceError):
    """Indexes of this type are not searched on a GPU."""
