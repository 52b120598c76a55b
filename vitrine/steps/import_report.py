"""What an import says of a feed, in the few lines that a person should see before anything is trained."""

import json
from pathlib import Path

from artifacts.errors import DamagedError

REPORT, PAGE = "report.json", "report.md"
_COUNTED = {
    "unusable_rows": "rows cannot be used",
    "left_out_rows": "rows are not for sale",
    "unusable_cells": "cells cannot be used",
}
_HOW_TO_ANSWER = (
    'these are options of "vitrine feeds import"; "vitrine up" takes the answer in a file for --mapping, for example '
    '{"currency": "USD"}'
)


def import_lines(shop: Path) -> list[str]:
    """Return what the report of an import says; nothing where a shop was not imported.

    Raises:
        DamagedError: the report is unreadable.
    """
    path = shop / REPORT
    if not path.is_file():
        return []
    try:
        report = json.loads(path.read_bytes())
        counts = [f"{report[key]:,} {what}" for key, what in _COUNTED.items() if report[key]]
        said = ", ".join([f"{report['rows']:,} rows", f"{report['products']:,} products", *counts])
        repeats = report["repeats"].get("products")
        questions = [f"? {question}" for question in report["questions"]]
        questions += [_HOW_TO_ANSWER] if questions else []
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedError(f"{path} is no report of an import: {error}") from error
    alike = [f"{repeats:,} products have the title and photo of another"] if repeats else []
    return ["; ".join([said, *alike, f"see {shop / PAGE}"]), *questions]
