"""The rows of a feed on disk, column by column, so that they can be looked at several times in little memory.

All values are text here, as the feed has them. Of a list the values stand one after the other, with LIST_MARK between.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from feeds.rows import Cell, Row

LIST_MARK = "\x1f"
_BATCH_ROWS = 16_384
_BATCH_CHARACTERS = 32_000_000
_LINE, _SHORT = "\x00line", "\x00short"
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True, eq=False)
class StagedRows:
    """Rows that stand one after the other in a feed.

    Attributes:
        first: number of the first one in the feed, from 1.
        lines: where each begins.
        short: which have fewer cells than the header.
        columns: their values; null where a row has none. A column that none of them has is missing.
    """

    first: int
    lines: npt.NDArray[np.int64]
    short: npt.NDArray[np.bool_]
    columns: dict[str, pa.Array]

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> pa.Array:
        """Return the values of a column, without blanks at their ends; null where they are blank."""
        values = self.columns.get(name)
        if values is None:
            return pa.nulls(len(self), pa.string())
        trimmed = pc.utf8_trim_whitespace(values)
        return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


class Stage:
    """Rows that have been put into a folder.

    Attributes:
        rows: how many rows there are.
        short: how many of them have fewer cells than the header.
        numbers: how many values of a column were numbers already, such as those of a workbook.
        lists: columns in which some value is a list.
    """

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        self._folder = folder
        self._files = list[tuple[Path, int]]()  # with the number of the first row
        self._waiting = list[tuple[Row, bool]]()
        self._characters = 0
        self._order = dict.fromkeys(columns)
        self.rows = 0
        self.short = 0
        self.numbers = Counter[str]()
        self.lists = set[str]()

    @property
    def columns(self) -> list[str]:
        """Names of the columns in the order in which the feed names them."""
        return list(self._order)

    def add(self, row: Row, short: bool = False) -> None:
        """Put a row at the end."""
        self._waiting.append((row, short))
        self._characters += sum(len(cell) for cell in row.cells.values() if isinstance(cell, str))
        self.short += short
        if len(self._waiting) >= _BATCH_ROWS or self._characters >= _BATCH_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that still wait; call it after the last one."""
        if not self._waiting:
            return
        names = dict.fromkeys(name for row, _ in self._waiting for name in row.cells)
        self._order |= names
        arrays = [pa.array([row.line for row, _ in self._waiting]), pa.array([short for _, short in self._waiting])]
        cells = [row.cells for row, _ in self._waiting]
        arrays += [self._texts(name, [of_row.get(name) for of_row in cells]) for name in names]
        batch = pa.record_batch(arrays, names=[_LINE, _SHORT, *names])
        path = self._folder / f"{len(self._files)}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, batch.schema, options=_OPTIONS) as writer:
            writer.write_batch(batch)
        self._files.append((path, self.rows + 1))
        self.rows += len(self._waiting)
        self._waiting, self._characters = [], 0

    def batches(self, columns: Iterable[str] | None = None) -> Iterator[StagedRows]:
        """Yield all rows in the order of the feed.

        Args:
            columns: those that are read; None for all.
        """
        wanted = None if columns is None else set(columns)
        for path, first in self._files:
            with pa.OSFile(str(path)) as file:
                table = pa.ipc.open_file(file).get_batch(0)
            names = [name for name in table.schema.names[2:] if wanted is None or name in wanted]
            yield StagedRows(
                first, table.column(0).to_numpy(), table.column(1).to_numpy(zero_copy_only=False),
                {name: table.column(name) for name in names},
            )  # fmt: skip

    def samples(self, count: int) -> dict[str, list[str]]:
        """Return up to `count` values of each column that are not blank, from the whole feed."""
        found: dict[str, list[str]] = {name: [] for name in self._order}
        chosen = sorted({round(place) for place in np.linspace(0, len(self._files) - 1, 8)}) if self._files else []
        for turn, place in enumerate(chosen, 1):
            path, _ = self._files[place]
            with pa.OSFile(str(path)) as file:
                table = pa.ipc.open_file(file).get_batch(0)
            for name in table.schema.names[2:]:
                missing = count * turn // len(chosen) - len(found[name])
                values = table.column(name).drop_null().slice(0, 4 * count).to_pylist()
                given = [text for value in values if (text := value.replace(LIST_MARK, ", ").strip())]
                found[name] += given[: max(0, missing)]
        return found

    def is_unique(self, column: str) -> bool:
        """Return whether every row has a value in a column, and each another one."""
        values = pa.chunked_array([rows.column(column) for rows in self.batches([column])], pa.string())
        return values.null_count == 0 and bool(pc.count_distinct(values).as_py() == len(values))

    def _texts(self, name: str, cells: list[Cell]) -> pa.Array:
        if not set(map(type, cells)) <= {str, type(None)}:
            self.numbers[name] += sum(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells)
            if any(isinstance(cell, list) for cell in cells):
                self.lists.add(name)
            cells = [_text(cell) for cell in cells]
        return pa.array(cells, pa.string())


def _text(cell: Cell) -> str | None:
    match cell:
        case None | str():
            return cell
        case bool():
            return "true" if cell else "false"
        case list():
            return LIST_MARK.join(cell) if cell else None
        case float():
            text = repr(cell)
            return f"{cell:.12f}".rstrip("0").rstrip(".") if "e" in text else text
    return str(cell)
