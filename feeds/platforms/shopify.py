"""Shopify's product CSV: the variants of a product and its further photos stand in rows after the first one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter

from feeds.rows import Cell, Entry, Fault, Row, only_rows, shortened

# Names of columns before and since the template of 2025, and what they are called here.
_NAMES = {
    "handle": "handle", "url handle": "handle", "title": "title", "body (html)": "description",
    "description": "description", "vendor": "brand", "product category": "product category", "type": "product type",
    "tags": "tags", "published": "published", "published on online store": "published", "status": "status",
    "variant sku": "sku", "sku": "sku", "variant price": "price", "price": "price",
    "variant compare at price": "compare at price", "compare-at price": "compare at price",
    "variant inventory qty": "quantity", "inventory quantity": "quantity",
    "variant inventory policy": "policy", "continue selling when out of stock": "policy",
    "variant barcode": "gtin", "barcode": "gtin", "image src": "photo", "product image url": "photo",
    "variant image": "variant photo", "variant image url": "variant photo",
    "image position": "photo position", "variant grams": "weight in grams", "gift card": "gift card",
}  # fmt: skip
_OPTIONS = (1, 2, 3)
_FALSE = frozenset({"false", "no", "0", "draft", "archived", "unlisted"})
_SHARED = ("title", "description", "brand", "product category", "product type", "tags", "published", "status")
# What the shop does to sell and ship a product says nothing about it.
_INTERNAL = ("variant ", "seo ", "google shopping /", "image alt", "included / ", "option", "cost per", "charge tax")


def is_shopify(columns: Sequence[str]) -> bool:
    """Return whether these are the columns of a product CSV of Shopify."""
    names = {column.strip().lower() for column in columns}
    old = {"handle", "title", "variant price"} <= names
    return old or {"url handle", "title", "option1 name", "option1 value"} <= names


def shopify_rows(entries: Iterator[Entry]) -> Iterator[Entry]:
    """Yield a row for each variant of each product that is for sale.

    A variant has the title, text, brand and photos of its product, its own price, and a column for each option such as
    its size. Products that are drafts, archived or unpublished are left out.
    """
    for handle, group in groupby(_with_handles(entries), key=itemgetter(0)):
        of_product = [entry for _, entry in group]
        yield from (replace(entry, row=None) for entry in of_product if isinstance(entry, Fault))
        rows = [_known(entry) for entry in only_rows(of_product)]
        if handle is None:
            yield from (
                Fault(row.line, "no handle", shortened(" | ".join(map(str, row.cells.values())))) for row in rows
            )
        elif rows:
            yield from _variants(handle, rows)


def _with_handles(entries: Iterator[Entry]) -> Iterator[tuple[str | None, Entry]]:
    """Yield entries with the product that they belong to; a damaged row counts to the product before it."""
    handle = None
    column = None
    for entry in entries:
        if isinstance(entry, Row):
            column = column or next(name for name in entry.cells if _NAMES.get(name.strip().lower()) == "handle")
            handle = str(entry.cells.get(column) or "").strip() or None
        yield handle, entry


def _known(row: Row) -> Row:
    """Return a row with our names of columns, without blanks and without what is internal to the shop."""
    cells: dict[str, Cell] = {}
    for column, cell in row.cells.items():
        name = column.strip().lower()
        known = _NAMES.get(name)
        given = cell.strip() if isinstance(cell, str) else cell
        if given not in ("", None) and (known or name.startswith("option") or not name.startswith(_INTERNAL)):
            cells[known or (name if name.startswith("option") else column)] = given
    return Row(row.line, cells)


def _variants(handle: str, rows: Sequence[Row]) -> Iterator[Entry]:
    first = rows[0].cells
    variants = [row for row in rows if row is rows[0] or _is_variant(row)]
    for column in ("published", "status"):
        if str(first.get(column, "")).lower() in _FALSE:
            reason = "not published" if column == "published" else f"status {str(first[column]).lower()}"
            yield from (Fault(row.line, reason, handle, kind="left out") for row in variants)
            return
    shared = {column: first[column] for column in _SHARED if column in first and column not in ("published", "status")}
    extra = {column: cell for column, cell in first.items() if column not in _NAMES.values() and not _is_option(column)}
    names = {number: first.get(f"option{number} name") for number in _OPTIONS}
    photos = [str(row.cells["photo"]) for row in sorted(rows, key=_position) if "photo" in row.cells]
    for row in variants:
        options = {
            str(name): row.cells[f"option{number} value"]
            for number, name in names.items()
            if name and f"option{number} value" in row.cells and row.cells[f"option{number} value"] != "Default Title"
        }
        own = [str(row.cells["variant photo"])] if "variant photo" in row.cells else []
        images = list(dict.fromkeys([*own, *photos]))
        yield Row(row.line, _product(handle, shared | extra, row, options, images))


def _product(
    handle: str, shared: dict[str, Cell], row: Row, options: dict[str, Cell], images: list[str]
) -> dict[str, Cell]:
    made_id = "-".join([handle, *("-".join(str(value).lower().split()) for value in options.values())])
    price, before = row.cells.get("price"), row.cells.get("compare at price")
    stock = _in_stock(row)
    return {
        **{name: value for name, value in options.items() if name.lower() not in ("id", "title", "price")},
        **shared,
        "id": row.cells.get("sku") or made_id,
        "item_group_id": handle,
        "price": before if before else price,
        "sale_price": price if before else None,
        "availability": stock,
        "gtin": str(row.cells.get("gtin", "")).lstrip("'") or None,
        "image": images,
        **({"weight in grams": row.cells["weight in grams"]} if "weight in grams" in row.cells else {}),
    }


def _in_stock(row: Row) -> Cell:
    """Return whether a variant can be ordered; None where the shop does not count it."""
    quantity = _whole_number(row, "quantity")
    if quantity is None:
        return None
    goes_on = str(row.cells.get("policy", "")).lower() in ("continue", "true")
    return "in stock" if quantity > 0 or goes_on else "out of stock"


def _is_variant(row: Row) -> bool:
    return any(column in row.cells for column in ("price", "sku", "option1 value"))


def _is_option(column: str) -> bool:
    return column.startswith("option") and column[6:7].isdigit()


def _position(row: Row) -> int:
    position = _whole_number(row, "photo position")
    return row.line if position is None else position


def _whole_number(row: Row, column: str) -> int | None:
    try:
        return int(str(row.cells.get(column)))
    except ValueError:
        return None
