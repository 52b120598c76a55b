"""Rows by product id."""

import pyarrow as pa

from service.worker.product_rows import ProductRows

IDS = ["b", "a", "", "ä", "a b", "Z", "10", "9", "😀", "\uffff", 'with "quotes" and \\']


def test_every_product_is_found_at_its_row() -> None:
    rows = ProductRows(pa.chunked_array([IDS[:4], IDS[4:]]))
    assert [rows.row_of(product_id) for product_id in IDS] == list(range(len(IDS)))


def test_what_is_not_there_is_not_found() -> None:
    rows = ProductRows(pa.chunked_array([IDS]))
    assert [rows.row_of(other) for other in ("c", "A", " a", "a ", "\U0010ffff", "aa")] == [None] * 6
    assert ProductRows(pa.chunked_array([pa.array([], pa.string())])).row_of("a") is None
