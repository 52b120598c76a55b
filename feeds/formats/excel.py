"""Excel and OpenDocument sheets."""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetVisibleEnum

from feeds.errors import UnreadableFeedError
from feeds.formats.column_names import column_names
from feeds.formats.flatten import plain_cell
from feeds.rows import Cell, Entry, Feed, Row

_MOST_PREAMBLE = 20  # rows before the header


def open_excel(path: Path) -> Feed:
    """Open a workbook: the visible sheet with the most cells, whose first full row names the columns.

    Raises:
        UnreadableFeedError: the file is no workbook that can be read, has a password, or has no rows.
    """
    try:
        with CalamineWorkbook.from_path(str(path)) as workbook:
            visible = [
                sheet.name for sheet in workbook.sheets_metadata if sheet.visible == SheetVisibleEnum.Visible
            ] or workbook.sheet_names
            sheets = [workbook.get_sheet_by_name(name) for name in visible]
    except (CalamineError, OSError, ValueError) as error:
        raise UnreadableFeedError(f"{path} cannot be read as a workbook: {error}") from error
    sheet = max(sheets, key=lambda sheet: sheet.total_height * sheet.total_width, default=None)
    if sheet is None or not sheet.total_height:
        raise UnreadableFeedError(f"{path} has no rows")
    rows = _numbered(sheet)
    head = list(islice(rows, _MOST_PREAMBLE))
    if not head:
        raise UnreadableFeedError(f"{path}: the sheet {sheet.name} has no rows")
    widest = max(_filled(cells) for _, cells in head)
    place = next(place for place, (_, cells) in enumerate(head) if _filled(cells) > widest / 2)
    columns = column_names(head[place][1])
    return Feed("Excel", {"sheet": sheet.name}, columns, _entries(chain(head[place + 1 :], rows), columns))


def _numbered(sheet: CalamineSheet) -> Iterator[tuple[int, list[Cell]]]:
    """Yield the rows that are not blank, with their numbers as Excel shows them."""
    begin = sheet.start[0] if sheet.start else 0
    # iter_rows begins with the first row of the sheet, however many before the first cell are blank.
    for number, values in enumerate(sheet.iter_rows(), 1):
        if number > begin and any(value != "" for value in values):
            yield number, [None if value == "" else plain_cell(value) for value in values]


def _filled(cells: list[Cell]) -> int:
    return sum(cell is not None for cell in cells)


def _entries(rows: Iterator[tuple[int, list[Cell]]], columns: list[str]) -> Iterator[Entry]:
    return (Row(number, dict(zip(columns, cells, strict=False))) for number, cells in rows)
