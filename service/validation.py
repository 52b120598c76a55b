"""Faults of a request's body in words: which field, what came, what was expected."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.filters import show_value
from service.schemas import EXPECTED


def describe_body_faults(faults: Sequence[Mapping[str, Any]]) -> str:
    """All faults of a body in one line.

    Args:
        faults: As pydantic lists them, with the location ("body", field, ...).
    """
    return "; ".join(_describe(fault) for fault in faults)


def _describe(fault: Mapping[str, Any]) -> str:
    kind, value = fault["type"], fault["input"]
    if kind == "json_invalid":
        return f"the body is not JSON: {fault['ctx']['error']} at character {fault['loc'][-1]}"
    if len(fault["loc"]) < 2:
        return _describe_whole(kind, value)
    field = str(fault["loc"][1])
    if kind == "extra_forbidden":
        return f"{field} is not a known field"
    expected = EXPECTED[field]
    if kind == "missing":
        return f"{field} is missing: expected {expected}"
    if kind == "string_too_short":
        return f"{field} is empty: expected {expected}"
    return f"{field} is {show_value(value)}: expected {expected}"


def _describe_whole(kind: str, body: object) -> str:
    if kind == "missing":
        return "the body is missing: expected a JSON object"
    if isinstance(body, bytes):
        return "the body is not marked as JSON: send the header Content-Type: application/json"
    return f"the body is {show_value(body)}: expected a JSON object"
