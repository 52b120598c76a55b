"""Numbers as people write them: with separators of thousands, and with a dot or a comma before the decimals.

`1.274` is 1274 for some and 1.274 for others. No cell alone can say which; the cells of a column together nearly always
can. A number is first read as far as it goes by itself; what is open is settled by the column (`feeds.values.marks`).
"""

import math
import re
from dataclasses import dataclass
from typing import Literal

Mark = Literal[".", ","]  # before the decimals

_SPACES = "\u00a0\u202f\u2009\u2007 "
_APOSTROPHES = "'\u2019\u02bc`"
NUMBER = re.compile(rf"[0-9](?:[0-9.,{_APOSTROPHES}]|[{_SPACES}](?=[0-9]))*[0-9]|[0-9]")
_WHOLE_GROUPS = re.compile(r"[1-9][0-9]{0,2}(?:[^0-9][0-9]{3})+|[1-9][0-9]?(?:[^0-9][0-9]{2})+[^0-9][0-9]{3}")
_LONGEST = 40  # characters
_TYPED = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_SPACE_OR_APOSTROPHE = re.compile(rf"[{_SPACES}{_APOSTROPHES}]")


@dataclass(frozen=True, slots=True)
class Amount:
    """A number that says itself what it is.

    Attributes:
        value: the number.
        mark: the decimal mark that it shows its column to have; None where it has neither decimals nor dots or commas.
    """

    value: float
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class OpenAmount:
    """A number such as 1,274, whose one mark may stand before decimals or between thousands.

    Attributes:
        sign: the mark that stands in it.
        as_decimals: its value if this is the decimal mark.
        as_thousands: its value if this separates thousands.
    """

    sign: Mark
    as_decimals: float
    as_thousands: float


def read_amount(text: str) -> Amount | OpenAmount | None:
    """Return the number that a text is; None if it is not one whole, positive number."""
    if len(text) > _LONGEST:
        return None
    if text.isascii() and text.isdigit():
        return Amount(float(text))
    whole = NUMBER.fullmatch(text)
    if whole is None:
        return None
    spaced = _SPACE_OR_APOSTROPHE.search(text) is not None
    if spaced and not _WHOLE_GROUPS.fullmatch(re.split("[.,]", text)[0]):
        return None
    plain = _SPACE_OR_APOSTROPHE.sub("", text)
    dots, commas = plain.count("."), plain.count(",")
    if not dots and not commas:
        return Amount(float(plain))
    if dots and commas:
        mark: Mark = "." if plain.rindex(".") > plain.rindex(",") else ","
        before, _, decimals = plain.rpartition(mark)
        if mark in before or not _WHOLE_GROUPS.fullmatch(before):
            return None
        return Amount(_number(before, decimals), mark)
    sign: Mark = "." if dots else ","
    if dots + commas > 1:
        return Amount(_number(plain, ""), _other(sign)) if _WHOLE_GROUPS.fullmatch(plain) and not spaced else None
    before, _, decimals = plain.partition(sign)
    if len(decimals) != 3 or len(before) > 3 or before.startswith("0") or spaced:
        return Amount(_number(before, decimals), sign)
    return OpenAmount(sign, _number(before, decimals), _number(before + decimals, ""))


def read_typed_number(text: str) -> float | None:
    """Return the number that a program wrote, such as -1.5e3; None if the text is none."""
    number = float(text) if _TYPED.fullmatch(text) else math.inf
    return number if math.isfinite(number) else None


def _number(whole: str, decimals: str) -> float:
    return float(f"{re.sub('[^0-9]', '', whole)}.{decimals or '0'}")


def _other(mark: Mark) -> Mark:
    return "," if mark == "." else "."
