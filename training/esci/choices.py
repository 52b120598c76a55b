"""The choices of an import of ESCI, in a module without imports, so that the command line starts quickly."""

from enum import StrEnum


class Locale(StrEnum):
    """The shops that ESCI's queries and products come from."""

    US = "us"
    ES = "es"
    JP = "jp"


class Version(StrEnum):
    """ESCI's two sets of judgments: `small` leaves out the queries that its authors call easy."""

    SMALL = "small"
    LARGE = "large"
