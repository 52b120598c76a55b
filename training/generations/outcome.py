"""What became of the generations: a table, a sentence and the numbers of the curve, read from an evaluation's files.

The files are those of `evaluation run` (docs/evaluation.md): NAME.json, and NAME.vs-BASELINE.json for the paired
differences. Here they are only read for the measures below.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artifacts.errors import DamagedError
from training.generations.log_record import GenerationLog

FIRST = "generation-1"
AGAIN = f"{FIRST}-again"  # the first generation, fitted a second time with another seed


@dataclass(frozen=True)
class Measure:
    """A measure of an evaluation: its name, and where its value is in NAME.json and in NAME.vs-BASELINE.json."""

    name: str
    value: tuple[str, ...]
    difference: tuple[str, ...]


MEASURES = (
    Measure("Recall@1", ("recall_at", "1"), ("first_page", "recall_at", "1")),
    Measure("Recall@10", ("recall_at", "10"), ("first_page", "recall_at", "10")),
    Measure("Recall@100", ("recall_at", "100"), ("recall",)),
    Measure("nDCG@10", ("first_page", "ndcg_at_10"), ("first_page", "ndcg_at_10")),
    Measure("Exact@10", ("first_page", "exact_at_10", "judged"), ("first_page", "exact_at_10", "judged")),
    Measure("Exact@100", ("labels", "judged", "precision", "E"), ("labels", "judged", "E")),
)


@dataclass(frozen=True)
class Interval:
    """A mean over the evaluation queries and its 95% interval, in percent or percentage points."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Outcome:
    """The measures of one model.

    Attributes:
        name: its folder's name.
        log: the log that it was fitted on.
        values: by the name of the measure.
        differences: paired differences to the first generation; empty for that one.
    """

    name: str
    log: GenerationLog
    values: dict[str, Interval]
    differences: dict[str, Interval]

    @property
    def losses(self) -> dict[str, Interval]:
        """The differences that are below 0 with their whole interval."""
        return {measure: found for measure, found in self.differences.items() if found.high < 0}


def read_outcome(results: Path, name: str, log: GenerationLog) -> Outcome:
    """Read the results of one model.

    Raises:
        DamagedError: a file of the evaluation is missing or has other keys.
    """
    values = _read(results / f"{name}.json", {it.name: it.value for it in MEASURES})
    if name == FIRST:
        return Outcome(name, log, values, {})
    differences = _read(results / f"{name}.vs-{FIRST}.json", {it.name: it.difference for it in MEASURES})
    return Outcome(name, log, values, differences)


def _read(path: Path, places: dict[str, tuple[str, ...]]) -> dict[str, Interval]:
    try:
        content = json.loads(path.read_bytes())
        return {name: _interval(content, place) for name, place in places.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(
            f"{path} is no result with judgments of this Vitrine's `evaluation run`: {error!r}"
        ) from error


def _interval(content: Any, place: Sequence[str]) -> Interval:
    for key in place:
        content = content[key]
    return Interval(*(100 * float(content[key]) for key in ("mean", "low", "high")))


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Return the tables of the generations: what they reached, their differences to the first, and their logs."""
    names = [measure.name for measure in MEASURES]
    values = [[it.name, *(_value(it.values[name]) for name in names)] for it in outcomes]
    later = [it for it in outcomes if it.differences]
    differences = [[it.name, *(_difference(it.differences[name]) for name in names)] for it in later]
    logs = [
        [
            it.name,
            "the shop's own engine" if it.log.engine is None else f"model {it.log.engine[:12]}",
            f"{it.log.shown_exact / it.log.shown:.1%}",
            f"{it.log.purchases:,}",
            f"{it.log.purchases_shown / it.log.purchases:.1%}",
        ]
        for it in outcomes
    ]
    parts = [
        "# Generations",
        verdict(outcomes),
        "## Evaluation month",
        _table(["model", *names], values),
        "Percent, +- half of the 95% interval over queries.",
        f"## Less {FIRST}, query by query",
        _table(["model", *names], differences),
        "Percentage points with 95% intervals over queries, for one fit each; bold: the whole interval is below 0.",
        "## The logs that they were fitted on",
        _table(["model", "shown by", "Exact among those shown", "purchases", "of products shown"], logs),
    ]
    return "\n\n".join(parts) + "\n"


def verdict(outcomes: Sequence[Outcome]) -> str:
    """Return whether a generation fell significantly below the first and, if it was fitted again, how far that is."""
    losses = [
        f"{it.name} in {measure} ({_difference(found).strip('*')})"
        for it in outcomes
        for measure, found in it.losses.items()
        if it.name != AGAIN
    ]
    names = [measure.name for measure in MEASURES]
    if losses:
        said = f"Significantly below the first generation: {'; '.join(losses)}."
    else:
        said = f"No generation is significantly below the first in any of {', '.join(names)}."
    again = [it.differences for it in outcomes if it.name == AGAIN]
    if not again:
        return said
    apart = [f"{again[0][name].mean:+.1f} in {name}" for name in names]
    return f"{said} The first generation, fitted again with another seed, differs from it by {', '.join(apart)}."


def _value(found: Interval) -> str:
    return f"{found.mean:.1f} +-{(found.high - found.low) / 2:.1f}"


def _difference(found: Interval) -> str:
    text = f"{found.mean:+.1f} [{found.low:+.1f}, {found.high:+.1f}]"
    return f"**{text}**" if found.high < 0 else text


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
