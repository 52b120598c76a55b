"""Errors of the index builder.

IndexBuilderError
├── BuildError           a version cannot be built from what was given
├── RecallGateError      a version that misses its recall target was to be published
└── VerificationError    a version is damaged, or does not find what its builder found
"""


class IndexBuilderError(Exception):
    """The index builder cannot do what was asked."""


class BuildError(IndexBuilderError):
    """A version cannot be built from what was given."""


class RecallGateError(IndexBuilderError):
    """A version finds too little of what exact search finds, and is not published."""


class VerificationError(IndexBuilderError):
    """A version must not be served: it is damaged, or its parts do not belong together."""
