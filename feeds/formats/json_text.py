"""JSON: one object a line, or one document with a list of objects. Read piece by piece, whatever its size."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from feeds.errors import UnreadableFeedError
from feeds.formats.encoding import find_encoding, open_text
from feeds.formats.flatten import flatten
from feeds.rows import Entry, Fault, Feed, Row, shortened

_CHUNK = 1 << 20  # characters
_LONGEST_OBJECT = 1 << 26  # characters
_BLANK = re.compile(r"[\s,]*")
_MAYBE_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # of a character: JSON can write half of one, and nothing else can


def open_json_lines(path: Path, encoding: str | None) -> Feed:
    """Open a file with one JSON object in each line."""
    encoding = encoding or find_encoding(path)
    return Feed("JSONL", {"encoding": encoding.removesuffix("-sig")}, [], _line_entries(path, encoding))


def open_json(path: Path, encoding: str | None) -> Feed:
    """Open a JSON document: a list of products, or an object in which one member is such a list.

    Raises:
        UnreadableFeedError: there is no list of objects in it; while it is read, that it is damaged, with the line.
    """
    encoding = encoding or find_encoding(path)
    with open_text(path, encoding) as file:
        head = file.read(_CHUNK)
    list_name, begin = _find_list(path, head)
    details = {"encoding": encoding.removesuffix("-sig")} | ({"list": list_name} if list_name else {})
    return Feed("JSON", details, [], _document_entries(path, encoding, begin))


def _line_entries(path: Path, encoding: str) -> Iterator[Entry]:
    with open_text(path, encoding) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                yield Fault(number, "not valid JSON", shortened(line))
                continue
            yield _entry(number, value, line)


def _entry(line: int, value: Any, text: str) -> Entry:
    """Return the product that a value is.

    Args:
        line: where it begins.
        value: the value.
        text: the JSON of which it was read.
    """
    try:
        if _MAYBE_HALF.search(text):
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        if not isinstance(value, dict):
            return Fault(line, "not a JSON object", shortened(value))
        return Row(line, flatten(value))
    except RecursionError:
        return Fault(line, "nested too deeply", shortened(text))


def _find_list(path: Path, head: str) -> tuple[str, int]:
    """Return the name of the member that is the list of products ("" for the document), and where it begins."""
    begin = len(head) - len(head.lstrip("\ufeff \t\r\n"))
    if head[begin : begin + 1] == "[":
        return "", begin + 1
    found = re.search(r'"([^"\\]+)"\s*:\s*\[\s*\{', head)
    if head[begin : begin + 1] != "{" or found is None:
        raise UnreadableFeedError(f"{path}: a JSON feed is a list of objects, or an object with such a list in it")
    return found[1], head.index("[", found.start()) + 1


def _document_entries(path: Path, encoding: str, begin: int) -> Iterator[Entry]:
    decoder = json.JSONDecoder()
    with open_text(path, encoding) as file:
        skipped = file.read(begin)
        line = skipped.count("\n") + 1
        text, place = file.read(_CHUNK), 0
        while True:
            text, place = _filled(file, text, place)
            after = _BLANK.match(text, place)
            end = after.end() if after else place
            line += text.count("\n", place, end)
            if end == len(text) and end > place:
                place = end
                continue
            place = end
            if text[place : place + 1] == "]":
                return
            value, text, place, end = _next_value(path, decoder, file, text, place, line)
            yield _entry(line, value, text[place:end])
            line += text.count("\n", place, end)
            place = end


def _filled(file: IO[str], text: str, place: int) -> tuple[str, int]:
    """Return a text without what was read, and with more if little is left of it."""
    if len(text) - place > _CHUNK // 4:
        return text, place
    return text[place:] + file.read(_CHUNK), 0


def _next_value(
    path: Path, decoder: json.JSONDecoder, file: IO[str], text: str, place: int, line: int
) -> tuple[Any, str, int, int]:
    """Return the value at a place of a text, the text as far as it was read for that, and where the value stands."""
    while True:
        try:
            value, end = decoder.raw_decode(text, place)
            return value, text, place, end
        except (ValueError, RecursionError) as error:
            more = file.read(_CHUNK) if len(text) - place < _LONGEST_OBJECT else ""
            if not more:
                raise UnreadableFeedError(
                    f"{path}: the JSON is damaged in the value that begins in line {line}; what follows cannot be read"
                ) from error
            text, place = text[place:] + more, 0
