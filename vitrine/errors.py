"""What ends `vitrine up` with a sentence.

UpError
└── StepError    a program that was run as a step ended with an error
"""


class UpError(Exception):
    """What was asked for cannot be done; the message says why, and what to do."""


class StepError(UpError):
    """A program that was run as a step ended with an error; the message has its own sentence and its log's path."""
