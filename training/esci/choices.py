"""What of ESCI may be chosen; apart, so that the command line starts without a database."""

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
