"""Errors of the index builder.

IndexBuilderError
├── BuildError           a version cannot be built from what was given
├── LedgerError          a version has no ledger of failures, or one that does not fit it
├── OptionError          options are out of range or contradict each other
├── GateError            a version misses a limit of the gate and is not published
└── VerificationError    a version is damaged, or its parts do not belong together
"""


class IndexBuilderError(Exception):
    """The index builder cannot do what was asked."""


class BuildError(IndexBuilderError):
    """A version cannot be built from what was given."""


class LedgerError(IndexBuilderError):
    """A version has no ledger of failures, or one that does not fit it."""


class OptionError(IndexBuilderError):
    """Options of a command are out of range or contradict each other."""


class GateError(IndexBuilderError):
    """A version misses a limit of the gate, or cannot be loaded, and is not published."""


class VerificationError(IndexBuilderError):
    """A version must not be served: it is damaged, or its parts do not belong together."""
