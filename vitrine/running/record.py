"""up.json: what was done in a work folder, and what with."""

from pathlib import Path

from pydantic import Field

from artifacts.atomic import replace_file
from artifacts.records import Record, read_record

_SCHEMA_VERSION = 1


class StepRecord(Record):
    """The last run of a step.

    Attributes:
        key: fingerprint of all that it was made from.
        matches: fingerprint of what its output agrees with besides.
        finished: whether the step came to its end.
        seconds: how long that took, in the last of its runs.
    """

    key: str
    matches: str
    finished: bool = False
    seconds: float = 0.0


class UpRecord(Record):
    """The content of up.json."""

    schema_version: int = _SCHEMA_VERSION
    steps: dict[str, StepRecord] = Field(default_factory=dict)

    def with_step(self, name: str, step: StepRecord) -> "UpRecord":
        """Return a record in which a step's last run is this one."""
        return UpRecord(steps={**self.steps, name: step})


def read_up_record(path: Path) -> UpRecord:
    """Return what was done; nothing, if there is no record.

    Raises:
        DamagedError: the record is unreadable.
        FormatError: it is from another release of Vitrine.
    """
    return read_record(path, UpRecord, schema_version=_SCHEMA_VERSION) if path.is_file() else UpRecord()


def write_up_record(path: Path, record: UpRecord) -> None:
    """Replace the record."""
    replace_file(path, record.model_dump_json(indent=2).encode() + b"\n")
