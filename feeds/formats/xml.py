"""XML: Google Merchant's RSS and Atom, and other feeds in which each product is an element.

The parser expands no entities, opens nothing else, and a file that declares a document type is refused: feeds have
none, and it is the way to entity bombs.
"""

from collections.abc import Iterator
from itertools import chain
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
_GENERIC = frozenset({"param", "attribute", "property", "field", "spec"})


def open_xml(path: Path, encoding: str | None = None) -> Feed:
    """Open an XML file.

    Args:
        path: the file.
        encoding: its encoding; None for the one that it declares.

    Raises:
        UnreadableFeedError: it declares a document type, or, while it is read, that it has no products.
    """
    _refuse_document_type(path, encoding)
    return Feed("XML", {}, [], _entries(path, encoding))


def _parse(path: Path, encoding: str | None, events: tuple[str, ...]) -> Any:
    return etree.iterparse(
        open_bytes(path), events=events, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
        recover=True, encoding=encoding, remove_comments=True, remove_pis=True,
    )  # fmt: skip


def _refuse_document_type(path: Path, encoding: str | None) -> None:
    try:
        _, root = next(iter(_parse(path, encoding, ("start",))), (None, None))
    except etree.XMLSyntaxError as error:
        raise UnreadableFeedError(f"{path} is not XML: {error.msg}") from error
    if root is None:
        raise UnreadableFeedError(f"{path} is not XML")
    if root.getroottree().docinfo.internalDTD is not None:
        raise UnreadableFeedError(
            f"{path} declares a document type, which may hide entities that fill the memory or read other files; "
            "remove the line <!DOCTYPE ...>"
        )


def _entries(path: Path, encoding: str | None) -> Iterator[Entry]:
    parser = _parse(path, encoding, ("start", "end"))
    product: Any = None  # the element of the product that is being read
    name = None  # of such elements, in this file
    seen_errors = products = 0
    try:
        for event, element in parser:
            if event == "start":
                if product is None and _is_product(element, name):
                    product, name = element, element.tag
                continue
            if element is not product:
                if product is None:
                    _free(element)
                continue
            errors = parser.error_log[seen_errors:] if len(parser.error_log) > seen_errors else ()
            yield from (_fault(error) for error in errors)
            seen_errors += len(errors)
            yield Row(element.sourceline, _cells(element))
            products += 1
            product = None
            _free(element)
    except etree.XMLSyntaxError as error:
        if not products:
            raise UnreadableFeedError(f"{path} is not XML that can be read: {error.msg}") from error
        yield Fault(error.lineno or 0, "the XML ends here", shortened(error.msg))
    yield from (_fault(error) for error in parser.error_log[seen_errors:])
    if not products:
        names = ", ".join(sorted(PRODUCT_ELEMENTS))
        raise UnreadableFeedError(f"{path} has no element of a product; they may be called {names}")


def _is_product(element: Any, name: str | None) -> bool:
    if name is not None:
        return bool(element.tag == name)
    return element.getparent() is not None and _local(element.tag).lower() in PRODUCT_ELEMENTS


def _fault(error: Any) -> Fault:
    return Fault(error.line, "not well-formed XML", shortened(error.message), kind="note")


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
    texts: dict[str, dict[str, list[str]]] = {}
    for key, value in product.attrib.items():
        texts.setdefault(_local(key), {}).setdefault("", []).append(value)
    _gather(texts, "", product)
    cells: dict[str, Cell] = {}
    for name, by_namespace in texts.items():
        values = next((values for values in by_namespace.values() if any(map(str.strip, values))), [])
        given = [value for value in values if value.strip()]
        cells[name] = given if len(given) > 1 else "".join(given)
    return cells


def _gather(texts: dict[str, dict[str, list[str]]], path: str, parent: Any) -> None:
    for child in parent:
        namespace, _, name = child.tag.rpartition("}")
        column = next((child.get(key) for key in _NAMED_BY if child.get(key)), None) if name in _GENERIC else None
        column = column or (f"{path}.{name}" if path else name)
        if len(child) and not all(_local(inner.tag).lower() in _MARKUP for inner in child):
            _gather(texts, column, child)
            continue
        value = " ".join(child.itertext()) if len(child) else child.text
        if value is None:
            value = next(chain((child.get(key) for key in ("href", "url", "src", "value") if child.get(key)), ("",)))
        texts.setdefault(column, {}).setdefault(namespace, []).append(value)
