"""XML: Google Merchant's RSS and Atom, and other feeds in which each product is an element.

The parser expands no entities, opens nothing else, and a file that declares a document type is refused: feeds have
none, and it is the way to entity bombs.
"""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from feeds.errors import UnreadableFeedError
from feeds.formats.encoding import open_bytes
from feeds.rows import Cell, Entry, Fault, Feed, Row, shortened

# What an element of a product is called, in lower case: RSS, Atom, and the price comparisons of several countries.
PRODUCT_ELEMENTS = frozenset(
    {"item", "entry", "product", "offer", "shopitem", "produkt", "produit", "prodotto", "article"}
)
_NAMED_BY = ("name", "Name", "key", "code")  # attributes that name the column of <param name="Colour">Red</param>
# Markup inside a text, where a feed does not escape it: its words belong to the text.
_MARKUP = frozenset(
    {"a", "b", "br", "div", "em", "h1", "h2", "h3", "i", "li", "ol", "p", "span", "strong", "table", "u", "ul"}
)
_VALUE_IN = ("href", "url", "src", "value")  # attributes that have the value of an element without a text
_GENERIC = frozenset({"param", "attribute", "property", "field", "spec"})


def open_xml(path: Path, encoding: str | None = None) -> Feed:
    """Open an XML file.

    Args:
        path: the file.
        encoding: its encoding; None for the one that it declares.

    Raises:
        UnreadableFeedError: it is not XML, declares a document type, or has no products.
    """
    return Feed("XML", {}, [], _entries(path, encoding, _product_element(path, encoding)))


def _parse(path: Path, encoding: str | None, events: tuple[str, ...], tag: str | None = None) -> Any:
    file = open_bytes(path)
    if encoding is not None:  # as Python names it, which the parser need not know
        file, encoding = codecs.EncodedFile(file, "utf-8", encoding, "replace"), "utf-8"
    return etree.iterparse(
        file, events=events, tag=tag, resolve_entities=False, no_network=True, load_dtd=False,
        huge_tree=False, recover=True, encoding=encoding, remove_comments=True, remove_pis=True,
    )  # fmt: skip


def _product_element(path: Path, encoding: str | None) -> str:
    """Return the tag of the elements that are products: that of the first one with such a name."""
    try:
        for _, element in _parse(path, encoding, ("start",)):
            if element.getparent() is None:
                _refuse_document_type(path, element)
            elif _local(element.tag).lower() in PRODUCT_ELEMENTS:
                return str(element.tag)
    except etree.XMLSyntaxError as error:
        raise UnreadableFeedError(f"{path} is not XML: {error.msg}") from error
    names = ", ".join(sorted(PRODUCT_ELEMENTS))
    raise UnreadableFeedError(f"{path} has no element of a product; they may be called {names}")


def _refuse_document_type(path: Path, root: Any) -> None:
    if root.getroottree().docinfo.internalDTD is not None:
        raise UnreadableFeedError(
            f"{path} declares a document type, which may hide entities that fill the memory or read other files; "
            "remove the line <!DOCTYPE ...>"
        )


def _entries(path: Path, encoding: str | None, tag: str) -> Iterator[Entry]:
    parser = _parse(path, encoding, ("end",), tag)
    try:
        for _, product in parser:
            yield Row(product.sourceline, _cells(product))
            _free(product)
    except etree.XMLSyntaxError as error:
        yield Fault(error.lineno or 0, "the XML ends here", shortened(error.msg))
    for fault in parser.error_log:
        yield Fault(fault.line, "not well-formed XML", shortened(fault.message), kind="note")


def _free(element: Any) -> None:
    """Release an element and its siblings before it, so that the memory does not grow with the file."""
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _cells(product: Any) -> dict[str, Cell]:
    """Return the texts of a product's elements by their local names; several of one name are a list.

    Where one name stands in two namespaces, such as title and g:title, the first one that is not blank counts.
    """
    cells: dict[str, Cell] = {_local(key): value for key, value in product.attrib.items()}
    _gather(cells, {}, "", product)
    return cells


def _gather(cells: dict[str, Cell], namespaces: dict[str, str], path: str, parent: Any) -> None:
    """Add the texts of an element's children.

    Args:
        cells: where they are added.
        namespaces: from which namespace the text of a column is.
        path: names of the element and those around it up to the product; "" for the product.
        parent: the element.
    """
    for child in parent.iterchildren("*"):
        namespace, _, name = child.tag.rpartition("}")
        column = f"{path}.{name}" if path else name
        if name in _GENERIC:
            column = next((child.get(key) for key in _NAMED_BY if child.get(key)), column)
        value = child.text
        if len(child):
            if not all(_is_text(inner) for inner in child):
                _gather(cells, namespaces, column, child)
                continue
            value = " ".join(child.itertext())
        if not value:
            value = next((child.get(key) for key in _VALUE_IN if child.get(key)), None)
        if not value or value.isspace():
            continue
        before = cells.get(column)
        if before is None:
            cells[column], namespaces[column] = value, namespace
        elif namespaces.get(column, namespace) == namespace:
            cells[column] = [*before, value] if isinstance(before, list) else [str(before), value]


def _is_text(inner: Any) -> bool:
    """Return whether something inside an element belongs to its text: markup, or an entity that stays as it is."""
    return not isinstance(inner.tag, str) or _local(inner.tag).lower() in _MARKUP
