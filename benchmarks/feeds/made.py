"""A feed that was made, and the lines of its rows."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO


@dataclass
class Made:
    """A feed that was written.

    Attributes:
        path: the file.
        products: ids of the products that can be used, in order.
        faults: reasons by line for rows and cells that cannot be used; a word of the reason.
    """

    path: Path
    products: list[str] = field(default_factory=list)
    faults: dict[int, str] = field(default_factory=dict)


class CsvRows:
    """Writes a CSV file with a header, and knows in which line the next row begins."""

    def __init__(self, file: TextIO, columns: Sequence[str]) -> None:
        self._writer = csv.DictWriter(file, columns, restval="")
        self._writer.writeheader()
        self.line = 2

    def write(self, row: Mapping[str, object]) -> None:
        """Write a row; columns that it lacks are blank."""
        self._writer.writerow(row)
        self.line += 1 + sum(str(cell).count("\n") for cell in row.values())
