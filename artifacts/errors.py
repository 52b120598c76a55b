"""Errors of the file formats.

ArtifactError
├── FormatError      a file does not have the expected format (columns, types, JSON keys, schema version)
├── DamagedError     a file is missing, truncated or altered since it was written
├── MismatchError    two artifacts do not belong together (model, width, data set)
└── StoreError       a store has no such version, or no version to roll back to
"""


class ArtifactError(Exception):
    """A file or folder of a shared format cannot be used."""


class FormatError(ArtifactError):
    """A file is readable but not in the format that was expected."""


class DamagedError(ArtifactError):
    """A file is missing, truncated, or no longer has the bytes that were written."""


class MismatchError(ArtifactError):
    """Two artifacts were combined that do not belong together."""


class StoreError(ArtifactError):
    """A store does not contain what was asked for, or its lock is held."""
