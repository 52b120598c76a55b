"""Texts without markup, and lists and category paths in texts."""

import html
import json
import re

# What is never closed reaches to the end, as in a browser; looking for its end again and again would take minutes.
_TAG = re.compile(r"<(?:/?[a-zA-Z][^<>]*>|!--.*?(?:-->|\Z))", re.DOTALL)
_HIDDEN = re.compile(r"<(script|style)\b[^<>]*>.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/?p|/?div|/?li|/?ul|/?ol|/?h[1-6]|/?tr|/?table)\b[^<>]*>", re.IGNORECASE)
_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n\s*")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\u200b\u2060]")
# Texts in which something may have to be taken away; the others stay as they are.
MAYBE_MARKUP = "[<&\x00-\x1f\x7f\u00a0\ufeff\u200b\u2060]|  "
_MAYBE_MARKUP = re.compile(MAYBE_MARKUP)

_LEVELS = re.compile(r"\s*(?:>>?|»|→|›|::|\\)\s*")
_MAGENTO_ROOT = "Default Category/"
_SLASHES = re.compile(r"\s+/\s+")
_LIST = re.compile(r"\s*[|;,\n]\s*")


def plain_text(text: str) -> str:
    """Return a text without HTML, with single blanks and no more than its line breaks."""
    if _MAYBE_MARKUP.search(text) is None:
        return text.strip()
    if "<" in text:
        text = _TAG.sub("", _BREAK.sub("\n", _HIDDEN.sub(" ", text)))
    if "&" in text:
        text = html.unescape(text)
        if _TAG.search(text):  # a text that was escaped twice
            text = _TAG.sub("", _BREAK.sub("\n", text))
    text = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _LINES.sub("\n", _BLANKS.sub(" ", text)).strip()


def one_line(text: str) -> str:
    """Return a text without HTML in one line."""
    return plain_text(text).replace("\n", " ")


def json_list(text: str) -> list[str] | None:
    """Return the texts of a JSON list that stands in a cell; None if there is none."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return (
        [str(value) for value in values if isinstance(value, str | int | float)] if isinstance(values, list) else None
    )


def split_list(text: str) -> list[str]:
    """Return the values of a text such as "summer, linen"."""
    values = json_list(text)
    return [value for value in map(str.strip, _LIST.split(text) if values is None else values) if value]


def category_paths(text: str) -> list[str]:
    """Return the paths of a category such as "Home >> Sofas | Sale", as ["Home > Sofas", "Sale"].

    A bar divides paths where another sign divides their levels, and levels where none does.
    """
    listed = json_list(text)
    if listed is not None:
        return [path for entry in listed for path in category_paths(entry)]
    text = one_line(text)
    if text.startswith(_MAGENTO_ROOT):
        paths = (_joined(path.split("/")) for path in text.split(f",{_MAGENTO_ROOT}"))
        return [path.removeprefix("Default Category > ") for path in paths if path != "Default Category"]
    if _LEVELS.search(text):
        return [path for part in re.split(r"[|;]", text) if (path := _joined(_LEVELS.split(part)))]
    if "|" in text:
        return list(filter(None, [_joined(text.split("|"))]))
    return list(filter(None, [_joined(_SLASHES.split(text))]))


def _joined(levels: list[str]) -> str:
    return " > ".join(level.strip() for level in levels if level.strip())
