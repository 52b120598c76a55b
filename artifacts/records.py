"""JSON records of artifacts: writing, reading and validation."""

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from artifacts.errors import DamagedError, FormatError


class Record(BaseModel):
    """A JSON record of an artifact: immutable and without unknown keys."""

    # Numbers that JSON lacks are written as "NaN" and "Infinity"; null could not be read back.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


RecordType = TypeVar("RecordType", bound=BaseModel)


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record as indented JSON."""
    path.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_record(path: Path, kind: type[RecordType], *, schema_version: int | None = None) -> RecordType:
    """Read and validate a JSON record.

    Args:
        path: the file.
        kind: the record's class.
        schema_version: the only schema version that this code reads; None if the record has none.

    Raises:
        DamagedError: the file is missing or is not JSON.
        FormatError: the schema version differs, or a key is missing, unknown or of a wrong type.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DamagedError(f"{path} is missing") from error
    except (ValueError, OSError) as error:
        raise DamagedError(f"{path} is not readable JSON: {error}") from error
    if schema_version is not None:
        found = content.get("schema_version") if isinstance(content, dict) else None
        if found != schema_version:
            raise FormatError(f"{path} has schema version {found!r}, this Vitrine reads {schema_version}")
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise FormatError(f"{path}: {describe_faults(error)}") from error


def describe_faults(error: ValidationError) -> str:
    """Return all faults of a validation in one sentence, each with its key and, if it helps, its value."""
    return "; ".join(_describe(fault["type"], fault["loc"], fault["msg"], fault["input"]) for fault in error.errors())


def _describe(kind: str, location: tuple[int | str, ...], message: str, value: object) -> str:
    key = ".".join(str(part) for part in location) or "the record"
    if kind == "missing":
        return f"{key} is missing and has no default"
    if kind == "extra_forbidden":
        return f"{key} is not a known key"
    text = message.removeprefix("Value error, ")
    text = f"{text[:1].lower()}{text[1:]}"
    if isinstance(value, dict | list | tuple):
        return f"{key}: {text}"  # the parts of the value are no help
    return f"{key} is {value!r}: {text}"
