"""WooCommerce's product CSV: variations name their parent, and stand anywhere after or before it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from feeds.rows import Cell, Entry, Fault, Row

_SEPARATOR = re.compile(r"(?<!\\),\s*")  # of lists; a comma inside a value has a backslash before it
_INHERITED = ("Categories", "Tags", "Brands", "Brand", "Short description", "Description")
_ATTRIBUTE = re.compile(r"Attribute (\d+) name")
# What the shop does to sell and ship a product, or what became columns of other names.
_DROPPED = frozenset({
    "ID", "Type", "SKU", "Name", "Published", "In stock?", "Regular price", "Sale price", "Categories", "Images",
    "Parent", "Tags", "Description", "Short description", "Visibility in catalog", "Is featured?",
    "Date sale price starts", "Date sale price ends", "Tax status", "Tax class", "Backorders allowed?",
    "Low stock amount", "Sold individually?", "Allow customer reviews?", "Purchase note", "Shipping class",
    "Download limit", "Download expiry days", "Upsells", "Cross-sells", "Grouped products", "External URL",
    "Button text", "Position", "Stock", "GTIN, UPC, EAN, or ISBN", "Brands",
})  # fmt: skip


def is_woocommerce(columns: Sequence[str]) -> bool:
    """Return whether these are the columns of a product CSV of WooCommerce."""
    return {"ID", "Type", "Name", "Published", "Regular price"} <= {column.strip() for column in columns}


def woocommerce_rows(entries: Iterator[Entry]) -> Iterator[Entry]:
    """Yield a row for each product that is for sale; of a variable product one for each variation.

    A variation has the categories, texts and, without one of its own, the first photo of its parent. Products that are
    private, drafts or hidden are left out, with their variations.
    """
    parents: dict[str, Row] = {}  # by "id:ID" and by SKU
    hidden = set[str]()
    with_variations = set[str]()
    waiting = list[Row]()
    for entry in entries:
        if isinstance(entry, Fault):
            yield replace(entry, row=None)
            continue
        row = Row(entry.line, {column.strip(): cell for column, cell in entry.cells.items()})
        kind = _text(row, "Type").lower()
        parent = _text(row, "Parent")
        is_variation = "variation" in kind and parent != ""
        reason = _hidden(row)
        if reason is not None:
            hidden |= _keys(row) if not is_variation else set()
            yield Fault(row.line, reason, _text(row, "Name"), kind="left out")
        elif is_variation and parent not in parents:
            waiting.append(row)
        elif is_variation:
            with_variations |= _keys(parents[parent])
            yield Row(row.line, _variation(row, parents[parent]))
        elif "variable" in kind.split(", "):
            parents |= dict.fromkeys(_keys(row), row)
        else:
            yield Row(row.line, _product(row, row))
    for row in waiting:
        parent = _text(row, "Parent")
        if parent in hidden:
            yield Fault(row.line, "its parent is not published", _text(row, "Name"), kind="left out")
        elif parent in parents:
            with_variations |= _keys(parents[parent])
            yield Row(row.line, _variation(row, parents[parent]))
        else:
            yield Fault(row.line, "its parent is not in the feed", f"{_text(row, 'Name')}, parent {parent}")
    for key, row in parents.items():
        if key.startswith("id:") and key not in with_variations:
            yield Row(row.line, _product(row, row))


def _hidden(row: Row) -> str | None:
    if _text(row, "Published") in ("0", "-1"):
        return "not published"
    return "hidden in the catalogue" if _text(row, "Visibility in catalog").lower() == "hidden" else None


def _keys(row: Row) -> set[str]:
    return {f"id:{_text(row, 'ID')}"} | ({_text(row, "SKU")} if _text(row, "SKU") else set())


def _variation(row: Row, parent: Row) -> dict[str, Cell]:
    inherited = {column: parent.cells.get(column) for column in _INHERITED if not _text(row, column)}
    own_photos = _list(_text(row, "Images")) or _list(_text(parent, "Images"))[:1]
    cells = _product(Row(row.line, row.cells | inherited), parent)
    title = _text(row, "Name") or _text(parent, "Name")
    return cells | {"title": title, "image": list(own_photos)}


def _product(row: Row, group: Row) -> dict[str, Cell]:
    is_alone = group is row
    description = " ".join(filter(None, (_text(row, "Short description"), _text(row, "Description"))))
    return {
        **_attributes(row),
        **{column: cell for column, cell in row.cells.items() if _is_kept(column)},
        "id": _text(row, "SKU") or _text(row, "ID"),
        "title": _text(row, "Name"),
        "description": description.replace("\\n", "\n") or None,
        "brand": next(iter(_list(_text(row, "Brands"))), None),
        "price": _text(row, "Regular price") or None,
        "sale_price": _text(row, "Sale price") or None,
        "availability": _availability(row),
        "category": list[str](_list(_text(row, "Categories"))),
        "tags": list[str](_list(_text(row, "Tags"))),
        "image": list[str](_list(_text(row, "Images"))),
        "item_group_id": None if is_alone else _text(group, "SKU") or _text(group, "ID"),
        "gtin": _text(row, "GTIN, UPC, EAN, or ISBN") or None,
    }


def _availability(row: Row) -> str | None:
    stock = _text(row, "In stock?").lower()
    return {"1": "in stock", "0": "out of stock"}.get(stock, stock or None)


def _attributes(row: Row) -> dict[str, Cell]:
    """Return the attributes by their names, such as Colour; several values are a list."""
    found: dict[str, Cell] = {}
    for column, name in row.cells.items():
        numbered = _ATTRIBUTE.fullmatch(column)
        if numbered and isinstance(name, str) and name.strip():
            values = _list(_text(row, f"Attribute {numbered[1]} value(s)"))
            if values:
                found[name.strip()] = values if len(values) > 1 else values[0]
    return found


def _is_kept(column: str) -> bool:
    return column not in _DROPPED and not column.startswith(("Attribute ", "Meta: ", "Download "))


def _list(text: str) -> list[str]:
    return [value.replace("\\,", ",").strip() for value in _SEPARATOR.split(text) if value.strip()]


def _text(row: Row, column: str) -> str:
    cell = row.cells.get(column)
    return "" if cell is None else str(cell).strip()
