"""Describes what is wrong with a request's body: the field, its value, and what was expected."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.api.schemas import EXPECTED
from service.protocol.filters import show_value


def describe_body_faults(faults: Sequence[Mapping[str, Any]]) -> str:
    """Return one line that describes all faults of a body.

    Args:
        faults: The faults as pydantic lists them, each with its location ("body", field, ...).
    """
    return "; ".join(_describe(fault) for fault in faults)


def describe_faults(faults: Sequence[Mapping[str, Any]]) -> str:
    """Return one line that describes all faults of an object within a body, located from the object."""
    return describe_body_faults([{**fault, "loc": ("body", *fault["loc"])} for fault in faults])


def _describe(fault: Mapping[str, Any]) -> str:
    kind, value = fault["type"], fault["input"]
    if kind == "json_invalid":
        return f"the body is not JSON: {fault['ctx']['error']} at character {fault['loc'][-1]}"
    if len(fault["loc"]) < 2:
        return _describe_whole(kind, value)
    name = _name(fault["loc"][1:])
    if kind == "extra_forbidden":
        return f"{name} is not a known field"
    expected = EXPECTED[next(part for part in reversed(fault["loc"]) if isinstance(part, str))]
    if kind == "missing":
        return f"{name} is missing: expected {expected}"
    if kind == "string_too_short":
        return f"{name} is empty: expected {expected}"
    return f"{name} is {show_value(value)}: expected {expected}"


def _name(location: Sequence[str | int]) -> str:
    """Return the name of a nested field, such as searches[3].k."""
    first, *rest = location
    return str(first) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)


def _describe_whole(kind: str, body: object) -> str:
    if kind == "missing":
        return "the body is missing: expected a JSON object"
    if isinstance(body, bytes):
        return "the body is not marked as JSON: send the header Content-Type: application/json"
    return f"the body is {show_value(body)}: expected a JSON object"
