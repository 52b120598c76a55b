"""JSON records: what is refused, and in which words."""

import json
import math
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from artifacts.errors import DamagedError, FormatError
from artifacts.records import Record, read_record, write_record


class Inner(Record):
    kind: Literal["x", "y"] = "x"
    size: int = Field(gt=0)


class Outer(Record):
    schema_version: int = 2
    name: str
    share: float = 0.5
    inner: Inner = Inner(size=1)
    measured: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> "Outer":
        if self.name == "refused":
            raise ValueError("This name is refused")
        return self


def write(folder: Path, content: object) -> Path:
    path = folder / "record.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    record = Outer(name="café", share=0.1 + 0.2, inner=Inner(kind="y", size=3), measured={"a": -1e-9})
    write_record(tmp_path / "record.json", record)
    assert read_record(tmp_path / "record.json", Outer, schema_version=2) == record
    assert "café" in (tmp_path / "record.json").read_text(encoding="utf-8")


def test_numbers_that_json_lacks_come_back(tmp_path: Path) -> None:
    record = Outer(name="a", measured={"nan": math.nan, "up": math.inf, "down": -math.inf})
    write_record(tmp_path / "record.json", record)
    measured = read_record(tmp_path / "record.json", Outer).measured
    assert math.isnan(measured["nan"])
    assert (measured["up"], measured["down"]) == (math.inf, -math.inf)


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Outer(name="a").name = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"name": "a", "nmae": "b"}, "nmae is not a known key"),
        ({}, "name is missing and has no default"),
        ({"name": 3}, "name is 3: input should be a valid string"),
        ({"name": "a", "share": "much"}, "share is 'much': input should be a valid number, "
         "unable to parse string as a number"),
        ({"name": "a", "inner": {"size": 0}}, "inner.size is 0: input should be greater than 0"),
        ({"name": "a", "inner": {"size": 1, "kind": "z"}}, "inner.kind is 'z': input should be 'x' or 'y'"),
        ({"name": "a", "inner": 7}, "inner is 7: input should be a valid dictionary or instance of Inner"),
        ({"name": "a", "share": [1, 2]}, "share: input should be a valid number"),
        ({"name": "refused"}, "the record: this name is refused"),
        (
            {"share": "much", "inner": {"size": -1}, "extra": 1},
            "name is missing and has no default; share is 'much': input should be a valid number, "
            "unable to parse string as a number; inner.size is -1: input should be greater than 0; "
            "extra is not a known key",
        ),
        ([1], "the record: input should be a valid dictionary or instance of Outer"),
    ],
)  # fmt: skip
def test_faults_are_all_told(tmp_path: Path, content: object, reason: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(FormatError) as caught:
        read_record(path, Outer)
    assert str(caught.value) == f"{path}: {reason}"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"name": "a"}, None),
        ({"name": "a", "schema_version": 3}, 3),
        ([], None),
        ({"schema_version": "2"}, "2"),
    ],
)
def test_another_schema_version_is_told_before_its_faults(tmp_path: Path, content: object, found: object) -> None:
    path = write(tmp_path, content)
    with pytest.raises(FormatError) as caught:
        read_record(path, Outer, schema_version=2)
    assert str(caught.value) == f"{path} has schema version {found!r}, this Vitrine reads 2"


def test_a_missing_file_is_damage(tmp_path: Path) -> None:
    with pytest.raises(DamagedError) as caught:
        read_record(tmp_path / "record.json", Outer)
    assert str(caught.value) == f"{tmp_path / 'record.json'} is missing"


@pytest.mark.parametrize("content", [b"", b'{"name": "a', b"\xff\xfe\x00"])
def test_what_is_no_json_is_damage(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(DamagedError) as caught:
        read_record(path, Outer)
    assert str(caught.value).startswith(f"{path} is not readable JSON: ")


def test_a_folder_in_place_of_the_file_is_damage(tmp_path: Path) -> None:
    with pytest.raises(DamagedError) as caught:
        read_record(tmp_path, Outer)
    assert str(caught.value).startswith(f"{tmp_path} is not readable JSON: ")
