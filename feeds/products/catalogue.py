"""Writes the products of a feed as a catalogue."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.photo_entries import MORE_IMAGES, MORE_IMAGES_TYPE
from feeds.products.attributes import LIST, attribute_fields, attribute_names, read_attribute
from feeds.products.by_value import ReadColumn, Unusable, read_column
from feeds.products.given import given, given_numbers, joined_lists, texts
from feeds.products.identity import Ids, Repeats
from feeds.products.kinds import read_number
from feeds.products.photos import PhotoReader, split_photos
from feeds.products.prices import read_prices
from feeds.products.survey import Survey
from feeds.report.issues import Issue, IssueLog
from feeds.staging import LIST_MARK, Stage, StagedRows
from feeds.values.amounts import Amount
from feeds.values.identifiers import is_rounded, read_gtin
from feeds.values.texts import category_paths, one_line, plain_text
from feeds.values.words import IN_STOCK, OUT_OF_STOCK, read_availability

REPEAT_GROUP = "repeat_group"
_TYPES: dict[str, pa.DataType] = {
    "product_id": pa.string(), "title": pa.string(), "image": pa.string(), MORE_IMAGES: MORE_IMAGES_TYPE,
    "description": pa.string(), "brand": pa.string(), "category": LIST, "price": pa.float64(),
    "list_price": pa.float64(), "currency": pa.string(), "in_stock": pa.bool_(), "availability": pa.string(),
    "item_group": pa.string(), REPEAT_GROUP: pa.string(), "gtin": pa.string(), "mpn": pa.string(),
}  # fmt: skip
_CAN_BE_HAD = {IN_STOCK: True, OUT_OF_STOCK: False}  # preorder and backorder are neither
_LONGEST_ID = 500  # characters


@dataclass(frozen=True)
class Reading:
    """How the columns of a feed are read.

    Attributes:
        fields: the columns of each field.
        survey: what the feed says as a whole.
        id_parts: columns of which ids are made, if the feed has none.
        price_unit: whether prices count units or cents.
        currency: of prices for which nothing names one.
        keep_short: whether rows with fewer cells than the header are products.
    """

    fields: Mapping[str, Sequence[str]]
    survey: Survey
    id_parts: Sequence[str]
    price_unit: Literal["units", "cents"] | None
    currency: str | None
    keep_short: bool

    def column(self, field: str) -> str:
        """Return the first column of a field; a name that no column has if the feed does not have the field."""
        return next(iter(self.fields.get(field, ())), "\x00none")


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        products: number of products.
        currencies: number of products by currency.
        repeats: products with title and photo of another.
        columns: name and type of each column of the catalogue.
    """

    products: int
    currencies: dict[str, int]
    repeats: Repeats
    columns: dict[str, str]


def write_catalogue(
    path: Path, stage: Stage, reading: Reading, photos: PhotoReader, issues: IssueLog,
    advance: Callable[[int], None] = lambda rows: None,
) -> Written:  # fmt: skip
    """Write the products of a stage, and tell of all rows and cells that could not be used.

    Args:
        path: the file.
        stage: the rows of the feed.
        reading: how its columns are read.
        photos: reads the entries of photos.
        issues: where to tell of rows and cells.
        advance: is told how many further rows have been written.
    """
    ids, repeats = Ids(), Repeats()
    schema, names = _schema(reading)
    currencies: dict[str, int] = {}
    products = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in stage.batches():
            batch = _Batch(rows, reading, photos, issues, ids, repeats, names)
            table = batch.products(schema)
            writer.write_table(table)
            products += table.num_rows
            for entry in table.column("currency").value_counts().to_pylist() if "currency" in schema.names else ():
                if entry["values"] is not None:
                    currencies[entry["values"]] = currencies.get(entry["values"], 0) + entry["counts"]
            advance(len(rows))
    return Written(products, currencies, repeats, {field.name: str(field.type) for field in schema})


def _schema(reading: Reading) -> tuple[pa.Schema, dict[str, str]]:
    """Return the columns of the catalogue, and the name there of each column that is an attribute."""
    present = set(reading.fields)
    fields = {"product_id", "title", "image", MORE_IMAGES} | (present & set(_TYPES))
    prices = {"price", "list_price", "currency"}
    fields = fields | prices if present & {"price", "sale_price"} else fields - prices
    fields |= {"in_stock"} if "availability" in present else set()
    fields |= {REPEAT_GROUP} if "item_group" not in present else set()
    names = attribute_names(reading.survey.attributes, _TYPES)
    columns = [pa.field(name, kind) for name, kind in _TYPES.items() if name in fields]
    for column, name in names.items():
        columns += attribute_fields(name, reading.survey.attributes[column])
    return pa.schema(columns), names


class _Batch:
    """Products of some rows that stand one after the other."""

    def __init__(
        self, rows: StagedRows, reading: Reading, photos: PhotoReader, issues: IssueLog, ids: Ids, repeats: Repeats,
        names: Mapping[str, str],
    ) -> None:  # fmt: skip
        self._rows, self._reading, self._photos, self._issues = rows, reading, photos, issues
        self._ids, self._repeats, self._names = ids, repeats, names
        self._lines = rows.lines.tolist()
        self._product_ids: list[str | None] = [None] * len(rows)
        self._cells = list[tuple[int, str, str, str]]()  # row, column, value, reason; told once the ids are known

    def products(self, schema: pa.Schema) -> pa.Table:
        """Return the products of the rows, in the columns of the catalogue."""
        columns = self._columns()
        titles = columns["title"].to_pylist()
        images, more, groups = self._identify(titles, columns["item_group"].to_pylist())
        columns |= {
            "product_id": pa.array(self._product_ids, pa.string()), "image": pa.array(images, pa.string()),
            MORE_IMAGES: pa.array(more, MORE_IMAGES_TYPE), REPEAT_GROUP: pa.array(groups, pa.string()),
        }  # fmt: skip
        self._tell_cells()
        table = pa.table([columns[name] for name in schema.names], schema=schema)
        return table.filter(columns["product_id"].is_valid())

    def _columns(self) -> dict[str, pa.Array]:
        """Return the columns of the catalogue that follow from the cells of a row alone."""
        reading, rows = self._reading, self._rows
        columns = {
            "title": texts(rows, reading.column("title"), one_line),
            "description": texts(rows, reading.column("description"), plain_text),
            "brand": texts(rows, reading.column("brand"), one_line),
            "mpn": texts(rows, reading.column("mpn"), one_line),
            "item_group": texts(rows, reading.column("item_group"), one_line),
            "category": pa.array(self._categories(), LIST),
        }
        gtins = read_column(
            given(rows, reading.column("gtin")),
            lambda text: (
                Unusable("rounded by a spreadsheet")
                if is_rounded(text)
                else read_gtin(text) or Unusable("not a GTIN: its length or its check digit is wrong")
            ),
        )
        columns["gtin"] = pa.array(gtins.values, pa.string())
        self._add_faults("gtin", gtins)
        columns |= self._prices() | self._stock()
        for column, name in self._names.items():
            arrays, faults = read_attribute(rows, column, reading.survey.attributes[column])
            columns |= dict(zip((name, f"{name}_currency"), arrays, strict=False))
            self._cells += [(row, column, value, reason) for row, value, reason in faults]
        return columns

    def _prices(self) -> dict[str, pa.Array]:
        reading, rows = self._reading, self._rows
        prices = read_prices(
            given_numbers(rows, reading.column("price")),
            given_numbers(rows, reading.column("sale_price")),
            given(rows, reading.column("currency")),
            reading.survey,
            reading.price_unit,
            reading.currency,
        )
        self._cells += [(row, reading.column(field), value, reason) for row, field, value, reason in prices.faults]
        return {
            "price": pa.array(prices.price, pa.float64()),
            "list_price": pa.array(prices.list_price, pa.float64()),
            "currency": pa.array(prices.currency, pa.string()),
        }

    def _stock(self) -> dict[str, pa.Array]:
        words = given(self._rows, self._reading.column("availability"))
        found = read_column(words, _availability)
        self._add_faults("availability", found)
        in_stock = [_CAN_BE_HAD.get(value) if value else None for value in found.values]
        return {"in_stock": pa.array(in_stock, pa.bool_()), "availability": pa.array(found.values, pa.string())}

    def _categories(self) -> list[list[str] | None]:
        columns = self._reading.fields.get("category", ())
        if len(columns) < 2:
            return [paths or None for paths in joined_lists(self._rows, columns, category_paths)]
        levels = [joined_lists(self._rows, [column], category_paths) for column in columns]
        paths = (
            " > ".join(dict.fromkeys(" > ".join(level) for level in of_row if level))
            for of_row in zip(*levels, strict=True)
        )
        return [[path] if path else None for path in paths]

    def _identify(
        self, titles: list[str | None], item_groups: list[str | None]
    ) -> tuple[list[str | None], list[list[str] | None], list[str | None]]:
        """Decide which rows are products; return their photos and groups of repeats."""
        reading, rows = self._reading, self._rows
        has_ids = "id" in reading.fields
        given_ids = given(rows, reading.column("id")).to_pylist() if has_ids else [None] * len(rows)
        parts = list(zip(*(given(rows, column).to_pylist() for column in reading.id_parts), strict=True))
        photo_columns = [column for field in ("image", MORE_IMAGES) for column in reading.fields.get(field, ())]
        entries = self._photos.entries(joined_lists(rows, photo_columns, split_photos))
        images: list[str | None] = [None] * len(rows)
        more: list[list[str] | None] = [None] * len(rows)
        groups: list[str | None] = [None] * len(rows)
        image_column = " and ".join(photo_columns)
        for row, title in enumerate(titles):
            given_id = given_ids[row]
            fault = self._fault_of_row(row, title, given_id, has_ids, bool(entries[row]))
            if fault is not None:
                reason, value = fault
                self._issues.add(Issue(self._lines[row], "unusable", reason, "", value))
                continue
            product_id = given_id if given_id is not None else self._ids.make(parts[row] if parts else (title,))
            photos, faults = self._photos.usable(product_id, rows.first + row, entries[row])
            self._ids.keep(product_id, self._lines[row])
            self._product_ids[row] = product_id
            self._cells += [(row, image_column, value, reason) for value, reason in faults]
            if photos:
                images[row], more[row] = photos[0], photos[1:] or None
            groups[row] = self._repeats.group(product_id, title, images[row], item_groups[row])
        return images, more, groups

    def _fault_of_row(
        self, row: int, title: str | None, product_id: str | None, has_ids: bool, has_photo: bool
    ) -> tuple[str, str] | None:
        """Return why a row is no product, and what stands there; None if it is one."""
        value = title or product_id or ""
        if self._rows.short[row] and not self._reading.keep_short:
            return "fewer cells than the header", value
        if has_ids and product_id is None:
            return "no id", value
        if title is None and not has_photo:
            return "no title and no photo", value
        if product_id is None:
            return None
        if len(product_id) > _LONGEST_ID:
            return f"an id of more than {_LONGEST_ID} characters", value
        if is_rounded(product_id):
            return "its id was rounded by a spreadsheet", value
        first = self._ids.first_line(product_id)
        return None if first is None else ("repeats the id of another row", f"{product_id}, first in line {first}")

    def _add_faults(self, field: str, column: ReadColumn[Any]) -> None:
        self._cells += [(row, self._reading.column(field), value, reason) for row, value, reason in column.faults]

    def _tell_cells(self) -> None:
        """Tell of the cells of products; those of a row that is no product do not matter."""
        for row, column, value, reason in sorted(self._cells, key=lambda cell: cell[0]):
            if (product_id := self._product_ids[row]) is not None:
                value = value.replace(LIST_MARK, ", ")
                self._issues.add(Issue(self._lines[row], "cell", reason, column, value, product_id))


def _availability(text: str) -> str | Unusable:
    """Return the availability that words or a count say."""
    words = read_availability(text)
    if words is not None:
        return words
    amount = read_number(text.rstrip("+"))
    if amount is None:
        return Unusable("neither in stock nor out of stock")
    count = amount.value if isinstance(amount, Amount) else amount.as_thousands
    return IN_STOCK if count > 0 else OUT_OF_STOCK


def values_of(stage: Stage, column: str) -> Iterator[str]:
    """Yield all values of a column that are not blank."""
    for rows in stage.batches([column]):
        yield from given(rows, column).drop_null().to_pylist()
