"""The report of an import, for programs (JSON) and for people (Markdown)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from feeds.report.issues import Issue, IssueKind, IssueLog
from feeds.rows import shortened

REPORT, PAGE, ISSUES, MAPPING = "report.json", "report.md", "issues.csv", "mapping.json"

_TOLD: tuple[tuple[IssueKind, str, str], ...] = (
    ("unusable", "row", "that cannot be used"),
    ("left out", "row", "not for sale"),
    ("cell", "cell", "that cannot be used"),
    ("note", "remark", "on the file"),
)


@dataclass(frozen=True)
class FieldFound:
    """A field of products and the columns that it comes from.

    Attributes:
        field: name of the field.
        columns: its columns in the feed.
        by: "name", "content", "map", or "made" for ids that the feed does not have.
        samples: a few values.
    """

    field: str
    columns: list[str]
    by: str
    samples: list[str]


@dataclass(frozen=True)
class Summary:
    """What an import found and did.

    Attributes:
        feed: name of the file.
        sha256: of the file.
        format: of the file, such as "CSV".
        details: what was found out about the file, such as its encoding.
        rows: rows that were read, those that are left out included.
        products: rows that became products.
        fields: the fields of products.
        attributes: kind of each other column.
        columns: name and type of each column of the catalogue.
        money: how prices were read, and the number of products by currency.
        photos: how many products have photos that look usable, and why entries do not.
        repeats: products with the title and the first photo of another.
        questions: what only a person can say, with the option that says it.
        notes: what else a person should know.
        refused: why nothing was written; None where a catalogue was.
    """

    feed: str
    sha256: str
    format: str
    details: dict[str, str]
    rows: int
    products: int
    fields: list[FieldFound]
    attributes: dict[str, str]
    columns: dict[str, str]
    money: dict[str, Any]
    photos: dict[str, Any]
    repeats: dict[str, Any]
    questions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refused: str | None = None


def as_json(summary: Summary, issues: IssueLog) -> bytes:
    """Return the report for programs."""
    counted = [
        {"kind": kind, "column": column, "reason": reason, "count": count,
         "examples": [_example(issue) for issue in issues.examples[kind, column, reason]]}
        for (kind, column, reason), count in issues.counts.most_common()
    ]  # fmt: skip
    totals = {
        "unusable_rows": issues.total("unusable"), "left_out_rows": issues.total("left out"),
        "unusable_cells": issues.total("cell"),
    }  # fmt: skip
    report = {"schema": 1, **asdict(summary), **totals, "issues": counted}
    return (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode()


def as_lines(summary: Summary, issues: IssueLog) -> list[str]:
    """Return the report as a person reads it in a terminal."""
    lines = [*found_lines(summary.fields), "", *count_lines(summary, issues)]
    return [*lines, *(f"? {question}" for question in summary.questions), *(f"- {note}" for note in summary.notes)]


def found_lines(fields: Sequence[FieldFound]) -> list[str]:
    """Return the table of fields with their columns and samples."""
    rows = [("field", "column", "found by", "samples")]
    rows += [(entry.field, " + ".join(entry.columns), entry.by, _samples(entry.samples)) for entry in fields]
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows]


def count_lines(summary: Summary, issues: IssueLog) -> list[str]:
    """Return sentences on how many rows, cells, photos and repeats there are."""
    lines = [f"{counted(summary.rows, 'row')}, {counted(summary.products, 'product')}"]
    for kind, thing, told in _TOLD:
        total = issues.total(kind)
        if total:
            reasons = [
                f"{count:,} {reason}{f' ({column})' if column else ''}"
                for (of_kind, column, reason), count in issues.counts.most_common()
                if of_kind == kind
            ]
            shown = "; ".join(reasons[:4]) + ("; ..." if len(reasons) > 4 else "")
            lines.append(f"{counted(total, thing)} {told}: {shown}")
    lines.append(photo_sentence(summary.photos))
    if summary.repeats.get("products"):
        example = summary.repeats["examples"][0]
        column = summary.repeats["column"]
        lines.append(
            f"{counted(summary.repeats['products'], 'product')} with title and photo of another, such as "
            f"{example['product_id']} those of {example['first']}"
            + (f"; column {column} groups them" if column else "")
        )
    return lines


def counted(count: int, thing: str) -> str:
    """Return a number of things in words: 1 row, 2 rows."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def photo_sentence(photos: Mapping[str, Any]) -> str:
    """Return a sentence on how many products have photos."""
    text = f"{photos['with_photo']:,} of {photos['products']:,} products have a photo that looks usable"
    kinds = [f"{count:,} {kind}" for kind, count in photos["entries"].items() if count]
    faults = [f"{count:,} {reason}" for reason, count in photos["unusable"].items()]
    text += f" ({', '.join(kinds)})" if kinds else ""
    return text + (f"; entries that do not: {'; '.join(faults)}" if faults else "")


def as_page(summary: Summary, issues: IssueLog) -> bytes:
    """Return the report as Markdown."""
    details = ", ".join(f"{name} {value}" for name, value in summary.details.items())
    parts = [f"# {summary.feed}", "", f"{summary.format}{f' ({details})' if details else ''}", ""]
    parts += [f"**Refused**: {summary.refused}", ""] if summary.refused else []
    parts += ["## Columns", "", "| field | column | found by | samples |", "|---|---|---|---|"]
    parts += [
        f"| {entry.field} | {_cell(' + '.join(entry.columns))} | {entry.by} | {_cell(_samples(entry.samples))} |"
        for entry in summary.fields
    ]
    if summary.attributes:
        kinds = ", ".join(f"{_cell(name)} ({kind})" for name, kind in summary.attributes.items())
        parts += ["", f"Attributes: {kinds}."]
    parts += ["", "## Counts", "", *(f"- {line}" for line in count_lines(summary, issues))]
    remarks = [*(f"- Question: {question}" for question in summary.questions), *(f"- {note}" for note in summary.notes)]
    parts += ["", "## Questions and notes", "", *remarks] if remarks else []
    if issues.counts:
        parts += ["", f"## What could not be used (all of it is in {ISSUES})", ""]
        parts += ["| rows | what | column | reason | first lines |", "|---|---|---|---|---|"]
        parts += [
            f"| {count:,} | {kind} | {_cell(column)} | {_cell(reason)} | "
            f"{_first_lines(issues.examples[kind, column, reason])} |"
            for (kind, column, reason), count in issues.counts.most_common()
        ]
    return ("\n".join(parts) + "\n").encode()


def _example(issue: Issue) -> dict[str, Any]:
    return {"line": issue.line, "value": shortened(issue.value)} | (
        {"product_id": issue.product_id} if issue.product_id else {}
    )


def _samples(samples: Sequence[str]) -> str:
    return " · ".join(shortened(sample, 32) for sample in samples[:3])


def _first_lines(examples: Sequence[Issue]) -> str:
    return ", ".join(f"{issue.line}: {_cell(shortened(issue.value, 40))}" for issue in examples[:3])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
