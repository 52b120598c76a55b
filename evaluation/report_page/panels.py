"""Panels of example queries: products that only the featured model found, beside those that only the baseline found."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.report_page.choice import Chosen, Reason, choose
from evaluation.report_page.inputs import ReportInputs
from evaluation.report_page.membership import only_in
from evaluation.report_page.words import LABEL_NAMES
from evaluation.results.saved import QueryValues
from evaluation.test_set.relevance import LABELS
from towers.thumbnails import thumbnail_uri

PRODUCTS_SHOWN = 8  # per model and query


@dataclass(frozen=True)
class Product:
    """A product that only one of the two models found."""

    title: str
    photo: str | None  # data URI
    rank: int  # position in the model's list, from 1
    label: str | None  # E, S, C, I
    label_name: str
    bought: bool


@dataclass(frozen=True)
class UniqueProducts:
    """The products that one model found and the other did not."""

    model: str
    found: int  # purchased products in the model's whole list
    total: int  # products that only this model found
    products: list[Product]  # those of them that are shown


@dataclass(frozen=True)
class Panel:
    """A query with the products that only one of the two models found, for each model."""

    query: str
    reason: Reason
    bought: int
    model: UniqueProducts
    baseline: UniqueProducts


@dataclass(frozen=True, eq=False)
class _List:
    """The result list of one model for one query."""

    name: str
    values: QueryValues
    number: int


def panels(inputs: ReportInputs) -> list[Panel]:
    """Return the panels of a report; empty without a baseline and another model."""
    if inputs.featured is None or inputs.baseline is None:
        return []
    model, baseline = inputs.values(inputs.featured), inputs.values(inputs.baseline)
    depth = inputs.measured[0].depth
    chosen = choose(model, baseline, depth)
    bought = _bought_rows(inputs, [model.queries[one.number] for one in chosen])
    return [_panel(inputs, one, bought[model.queries[one.number]]) for one in chosen]


def _panel(inputs: ReportInputs, chosen: Chosen, bought: set[int]) -> Panel:
    assert inputs.featured is not None and inputs.baseline is not None
    mine = _List(inputs.featured, inputs.values(inputs.featured), chosen.number)
    theirs = _List(inputs.baseline, inputs.values(inputs.baseline), chosen.number)
    return Panel(
        query=mine.values.queries[chosen.number],
        reason=chosen.reason,
        bought=len(bought),
        model=_unique_products(inputs, mine, theirs, bought),
        baseline=_unique_products(inputs, theirs, mine, bought),
    )


def _unique_products(inputs: ReportInputs, mine: _List, theirs: _List, bought: set[int]) -> UniqueProducts:
    """Return the products that are only in the first list: purchased products first, then by rank."""
    rows = mine.values.rows[mine.number]
    places = only_in(rows, theirs.values.rows[theirs.number])
    shown = sorted(places, key=lambda place: (int(rows[place]) not in bought, place))[:PRODUCTS_SHOWN]
    return UniqueProducts(
        model=mine.name,
        found=len(bought.intersection(rows.tolist())),
        total=len(places),
        products=[_product(inputs, mine, place, bought) for place in shown],
    )


def _product(inputs: ReportInputs, found: _List, place: int, bought: set[int]) -> Product:
    row, catalog = int(found.values.rows[found.number, place]), inputs.catalog
    code = int(found.values.labels[found.number, place])
    label = LABELS[code].value if code >= 0 else None
    return Product(
        title=catalog.table["title"][row].as_py() or "",
        photo=thumbnail_uri(catalog.folder, catalog.table["image"][row].as_py()),
        rank=place + 1,
        label=label,
        label_name=LABEL_NAMES[label] if label else "no label",
        bought=row in bought,
    )


def _bought_rows(inputs: ReportInputs, queries: Sequence[str]) -> dict[str, set[int]]:
    """Return the catalogue rows of the products bought for each of these queries."""
    rows = inputs.catalog.rows_by_product_id()
    pairs = inputs.dataset.evaluation_pairs
    bought: dict[str, set[int]] = {query: set() for query in queries}
    for query, product_id in zip(pairs["query"].to_pylist(), pairs["product_id"].to_pylist(), strict=True):
        if query in bought:
            bought[query].add(rows[product_id])
    return bought
