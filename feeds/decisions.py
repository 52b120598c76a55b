"""What the columns of a staged feed are taken for, with everything that a person should know of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from feeds.columns.fields import is_link
from feeds.columns.mapping import Mapping, chosen_columns
from feeds.columns.recognise import Recognised, recognise
from feeds.columns.units import cents_question
from feeds.errors import MappingError
from feeds.products.catalogue import Reading
from feeds.products.survey import PRICES, Survey, survey
from feeds.report.summary import FieldFound, counted
from feeds.staging import Stage

_SAMPLES = 200
_HABIT = 0.2  # share of short rows above which they are how the feed is written
_FEWEST_OF_A_HABIT = 100
_ID_PARTS = ("title", "brand", "mpn", "gtin", "image")  # of which an id is made, where products have no page


@dataclass(frozen=True)
class Decisions:
    """What a feed is taken for.

    Attributes:
        fields: the columns of each field, with how it was found.
        reading: how the columns are read.
        samples: a few values of each column.
        questions: what only a person can say.
        notes: what else a person should know.
    """

    fields: list[Recognised]
    reading: Reading
    samples: dict[str, list[str]]
    questions: list[str]
    notes: list[str]

    def found(self) -> list[FieldFound]:
        """Return the fields for the report, with samples."""
        found = [
            FieldFound(entry.field, list(entry.columns), entry.by, self._samples_of(entry.columns))
            for entry in self.fields
        ]
        if "id" not in self.reading.fields:
            found.insert(0, FieldFound("id", list(self.reading.id_parts), "made", []))
        return found

    def mapping(self, said: Mapping) -> Mapping:
        """Return a mapping that says all this, with what a person said."""
        columns = {entry.field: list(entry.columns) for entry in self.fields}
        unused: dict[str, list[str]] = {name: [] for name, of_field in said.columns.items() if not of_field}
        return Mapping({**unused, **columns}, said.decimal_mark, said.price_unit, said.currency)

    def _samples_of(self, columns: Sequence[str]) -> list[str]:
        return list(dict.fromkeys(value for column in columns for value in self.samples.get(column, ())))[:3]


def decide(stage: Stage, mapping: Mapping) -> Decisions:
    """Return what a feed is taken for.

    Args:
        stage: its rows.
        mapping: what a person says of it.

    Raises:
        MappingError: the mapping names a column that the feed does not have, or nothing is a title.
    """
    samples = stage.samples(_SAMPLES)
    chosen = chosen_columns(mapping, stage.columns)
    fields = recognise(stage.columns, samples, chosen, stage.is_unique)
    if not any(entry.field == "title" for entry in fields):
        raise MappingError(
            "no column looks like the title of a product; name it with --map title=COLUMN. The columns are "
            f"{', '.join(stage.columns[:40])}{', ...' if len(stage.columns) > 40 else ''}"
        )
    questions = list[str]()
    prices = [column for entry in fields if entry.field in PRICES for column in entry.columns]
    question = None if mapping.price_unit else cents_question(prices, samples)
    if question is not None:
        questions.append(question)
        fields = [entry for entry in fields if entry.field not in PRICES]
    columns = {entry.field: entry.columns for entry in fields}
    found = survey(stage, columns, mapping.decimal_mark)
    keep_short = stage.short >= max(_FEWEST_OF_A_HABIT, _HABIT * stage.rows)
    parts = () if "id" in columns else _id_parts(stage.columns, samples, columns)
    reading = Reading(columns, found, parts, mapping.price_unit, mapping.currency, keep_short)
    questions += _questions(found, mapping)
    return Decisions(fields, reading, samples, questions, _notes(reading, stage))


def _id_parts(
    given: Sequence[str], samples: dict[str, list[str]], columns: dict[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """Return the columns that tell products apart: the address of their pages, or else their texts and photos."""
    link = next((column for column in given if is_link(column) and samples.get(column)), None)
    if link is not None:
        return (link,)
    return tuple(column for field in _ID_PARTS for column in columns.get(field, ()))


def _questions(found: Survey, mapping: Mapping) -> list[str]:
    questions = list[str]()
    if found.open_prices:
        questions.append(
            f"{counted(found.open_prices, 'price')} with one dot or comma before three digits, and {found.settled_by}: "
            "does it stand before decimals or between thousands? Until --decimal-mark says . or , they are left out"
        )
    if found.shared_signs and not mapping.currency:
        signs = ", ".join(f"{sign} ({counted(count, 'price')})" for sign, count in found.shared_signs.most_common())
        questions.append(f"several currencies are written {signs}: --currency USD, for example, says which one it is")
    return questions


def _notes(reading: Reading, stage: Stage) -> list[str]:
    notes = list[str]()
    if reading.id_parts:
        notes.append(
            f"the feed has no column of ids: each product has one made of {' and '.join(reading.id_parts)}, which "
            "stays the same as long as these do"
        )
    if len(reading.survey.currencies) > 1:
        codes = ", ".join(f"{code} ({count:,})" for code, count in reading.survey.currencies.most_common())
        notes.append(f"prices are in several currencies: {codes}; they are not converted")
    if reading.keep_short:
        notes.append(f"{stage.short:,} rows have fewer cells than the header; the last ones are taken as blank")
    return notes
