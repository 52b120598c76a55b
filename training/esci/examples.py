"""Judged pairs from ESCI's examples, with counts of what is left out and why."""

from dataclasses import dataclass
from typing import Any

import ibis
import pyarrow as pa

from artifacts.records import Record
from training.esci.choices import Locale, Version
from training.esci.files import EsciFiles, of_locales, version_column
from training.logs.query_forms import normalise_log

JUDGED_COLUMNS = ("query", "product_id", "label", "query_id", "locale")


class ExampleCounts(Record):
    """How many examples of the chosen version and locales were kept or left out; the counts add up to `examples`."""

    examples: int
    without_query: int  # left out: the query is null or blank
    unknown_product: int  # left out: the products file lacks the product
    train_in_test: int  # left out of train: the query's text is also a test query
    contradictory: int  # left out: the pair has two different labels in one split
    repeated: int  # left out: another example has the same pair and label
    judged_train: int
    judged_test: int


@dataclass(frozen=True)
class Judged:
    """Judged pairs by ESCI's own splits, as Ibis tables with the JUDGED_COLUMNS."""

    selected: Any  # product_id of every example of the choice, for the catalogue
    train: Any
    test: Any
    counts: ExampleCounts


def judged_pairs(connection: Any, files: EsciFiles, locales: tuple[Locale, ...], version: Version) -> Judged:
    """Return the distinct judged pairs of a version and some locales.

    ESCI splits by `query_id`. One text may have several ids (mostly in several locales), whereas here a query is its
    text in its one form, so a train query whose form is that of a test query is left out of train.
    """
    selected = _selected(connection, files, locales, version)
    named = selected.filter(selected["query"] != "")
    products = of_locales(connection.read_parquet(str(files.products)), locales).select("product_id")
    known = connection.create_table("known", named.semi_join(products, "product_id"))
    test = known.filter(known["split"] == "test")
    train = known.filter(known["split"] == "train").anti_join(test.select("query").distinct(), "query")
    grouped = connection.create_table("grouped", _grouped(ibis.union(train, test)))
    judged = grouped.filter(grouped["labels"] == 1)
    by_split = {split: judged.filter(judged["split"] == split) for split in ("train", "test")}
    counts = ExampleCounts(
        examples=_count(selected),
        without_query=_count(selected) - _count(named),
        unknown_product=_count(named) - _count(known),
        train_in_test=_count(known) - _count(train) - _count(test),
        contradictory=_total(grouped.filter(grouped["labels"] > 1)["rows"]),
        repeated=_total(judged["rows"] - 1),
        judged_train=_count(by_split["train"]),
        judged_test=_count(by_split["test"]),
    )
    return Judged(selected.select("product_id"), by_split["train"], by_split["test"], counts)


def judgment_table(judged: Any) -> pa.Table:
    """Return judged pairs in the format of judgments.parquet, sorted; absent pairs are not judged."""
    table = judged.select(*JUDGED_COLUMNS).order_by(["query", "product_id"]).to_pyarrow()
    return table.replace_schema_metadata({"absent": "unknown"})


def _selected(connection: Any, files: EsciFiles, locales: tuple[Locale, ...], version: Version) -> Any:
    examples = of_locales(connection.read_parquet(str(files.examples)), locales)
    chosen = examples.filter(examples[version_column(version)] == 1)
    chosen = normalise_log(chosen.mutate(query=chosen["query"].fill_null("")))
    return connection.create_table(
        "selected",
        chosen.select(
            "product_id",
            "split",
            "query",
            label=chosen["esci_label"],
            query_id=chosen["query_id"].cast("int64"),
            locale=chosen["product_locale"],
        ),
    )


def _grouped(examples: Any) -> Any:
    return examples.group_by(["split", "query", "product_id"]).agg(
        label=examples["label"].min(),
        labels=examples["label"].nunique(),
        rows=examples.count(),
        query_id=examples["query_id"].min(),
        locale=examples["locale"].min(),
    )


def _count(table: Any) -> int:
    return int(table.count().to_pyarrow().as_py())


def _total(column: Any) -> int:
    return int(column.sum().to_pyarrow().as_py() or 0)
