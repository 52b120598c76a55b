"""Numbers that name products: GTIN, which has a check digit."""

import re

_DIVIDERS = re.compile(r"[\s\u00a0-]")
_LENGTHS = (8, 12, 13, 14)
_ROUNDED = re.compile(r"[0-9][.,]?[0-9]*[eE]\+?[0-9]+")
_WHOLE_DECIMAL = re.compile(r"([0-9]+)\.0+")


def read_gtin(text: str) -> str | None:
    """Return the digits of a GTIN (EAN, UPC, ISBN-13); None if they are not one.

    Leading zeros that a spreadsheet took away are put back where the check digit then is right.
    """
    digits = _DIVIDERS.sub("", text.lstrip("'"))
    whole = _WHOLE_DECIMAL.fullmatch(digits)
    digits = whole[1] if whole else digits
    if not (digits.isascii() and digits.isdigit()) or not digits.strip("0"):
        return None
    if len(digits) in _LENGTHS and _check_digit_is_right(digits):
        return digits
    for length in (12, 13):
        if 8 < len(digits) < length and _check_digit_is_right(digits.zfill(length)):
            return digits.zfill(length)
    return None


def is_rounded(text: str) -> bool:
    """Return whether a spreadsheet made a rounded number of an identifier, such as 4.00638E+12."""
    return _ROUNDED.fullmatch(text.strip()) is not None


def _check_digit_is_right(digits: str) -> bool:
    return (sum(map(int, digits[::-2])) + 3 * sum(map(int, digits[-2::-2]))) % 10 == 0
