"""Errors of the file formats.

ArtifactError
├── FormatError      a file is not what its format asks for (columns, types, JSON keys, schema version)
├── DamagedError     a file is missing, truncated or altered since it was written
├── MismatchError    two artifacts do not belong together (model, width, data set)
└── StoreError       a store has no such version, or nothing to go back to
"""


class ArtifactError(Exception):
    """A file or folder that the programs share cannot be used."""


class FormatError(ArtifactError):
    """A file is readable but not in the format that was expected."""


class DamagedError(ArtifactError):
    """A file is missing, truncated, or no longer has the bytes that were written."""


class MismatchError(ArtifactError):
    """Two artifacts were combined that were not made for one another."""


class StoreError(ArtifactError):
    """A store was asked for something that it does not hold."""
