"""Words of texts: model numbers stay whole, numbers are told from units, scripts without blanks are cut into pairs.

    wh-1000xm5    wh 1000xm5 wh1000xm5       as typed with and without the dash
    65inch        65inch 65 inch             a number and its unit, as typed with and without a blank
    1,5 l         1.5 l                      a decimal number is one word
    women's       women womens
    crème         creme                      marks on Latin letters go; those of other scripts tell words apart
    運動靴         運 動 靴 運動 動靴            in a query only the pairs, or the character if it stands alone

Texts are in the form that queries have (artifacts/query_text.py), so that what looks alike is alike.
"""

import itertools
import re
import sys
import unicodedata
from collections.abc import Iterator

# Scripts that write no blanks between words: Thai, Lao, Myanmar, Khmer, kana, Han.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # fmt: skip  # noqa: E501


def _mark_ranges() -> str:
    """Return the marks of all scripts as ranges of a character class: they are parts of words, which `\\w` denies."""
    marks = [code for code in range(0x300, 0x1F000) if unicodedata.category(chr(code))[0] == "M"]
    ranges, first = [], marks[0]
    for code, following in zip(marks, [*marks[1:], sys.maxunicode], strict=True):
        if following != code + 1:
            ranges.append(f"{chr(first)}-{chr(code)}")
            first = following
    return "".join(ranges)


_LETTER = f"(?:[^\\W_]|[{_mark_ranges()}])"
_FIND_PLAIN = re.compile(r"[a-z0-9]+(?:[-.,'_][a-z0-9]+)*")  # of ASCII texts
_FIND = re.compile(f"{_LETTER}+(?:[-.,'\u2019_]{_LETTER}+)*")
_SPLIT = re.compile("[-.,'\u2019_]")
_DECIMAL = re.compile(r"(\d+)[.,](\d+)([^\W\d_]*)")
# One letter is no unit unless it is common: 3d, 4k and 5x are words of their own.
_NUMBER_WITH_UNIT = re.compile(r"(\d+)([^\W\d_]{2,6}|[lwvmga])")
_UNSPACED_OR_OTHER = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_FIND_UNSPACED = re.compile(f"[{_UNSPACED}]")
_FIND_LATIN_MARKS = re.compile("(?<=[a-z])[\u0300-\u036f]+")
_LATIN_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "\u0131": "i"})


def tokenize(text: str) -> list[str]:
    """Return the words of a product's text, in their order, not stemmed.

    Args:
        text: the text, in the form that queries have.
    """
    return [token for chunk in _chunks(text) for token in _tokens_of(chunk, pairs_only=False)]


def tokenize_query(text: str) -> list[list[str]]:
    """Return the words that a query is made of: a list for each thing that was typed in one piece.

    Args:
        text: the text, in the form that queries have.
    """
    return [tokens for chunk in _chunks(text) if (tokens := list(_tokens_of(chunk, pairs_only=True)))]


def fold(text: str) -> str:
    """Return a text in small letters without the marks on Latin letters."""
    if text.isascii():
        return text
    bare = _FIND_LATIN_MARKS.sub("", unicodedata.normalize("NFD", text.translate(_LATIN_LETTERS)))
    return unicodedata.normalize("NFC", bare)


def is_word(token: str) -> bool:
    """Return whether a token is made of letters alone, of a script that separates words by blanks."""
    return token.isalpha() and not _FIND_UNSPACED.search(token)


def _chunks(text: str) -> list[str]:
    """Return what is typed in one piece: letters and digits, and single signs between them."""
    return _FIND_PLAIN.findall(text) if text.isascii() else _FIND.findall(fold(text))


def _tokens_of(chunk: str, *, pairs_only: bool) -> Iterator[str]:
    if chunk.isascii() and (chunk.isalpha() or chunk.isdigit()):
        yield chunk
        return
    if decimal := _DECIMAL.fullmatch(chunk):
        whole, part, unit = decimal.groups()
        yield from (f"{whole}.{part}", unit) if unit else (f"{whole}.{part}",)
        return
    for listed in chunk.split(","):
        pieces = [piece for piece in _SPLIT.split(listed) if piece]
        if len(pieces) > 1 and any(mark in listed for mark in "'\u2019"):
            pieces = [piece for piece in pieces if len(piece) > 1] or pieces
        for piece in pieces:
            yield from _tokens_of_piece(piece, pairs_only)
        if len(whole := _SPLIT.sub("", listed)) > len(pieces[0] if pieces else ""):
            yield whole


def _tokens_of_piece(piece: str, pairs_only: bool) -> Iterator[str]:
    if not piece.isascii() and _FIND_UNSPACED.search(piece):
        for run in _UNSPACED_OR_OTHER.findall(piece):
            yield from _characters_and_pairs(run, pairs_only) if _FIND_UNSPACED.match(run) else (run,)
        return
    yield piece
    if measure := _NUMBER_WITH_UNIT.fullmatch(piece):
        yield from measure.groups()


def _characters_and_pairs(run: str, pairs_only: bool) -> Iterator[str]:
    if len(run) == 1 or not pairs_only:
        yield from run
    yield from map("".join, itertools.pairwise(run))
