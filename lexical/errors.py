"""Errors of the search by words."""


class LexicalError(Exception):
    """A folder of words cannot be used; the message says why and what to do."""
