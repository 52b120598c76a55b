"""A model that reads fields: what is encoded, what a change of a field costs, and catalogues that lack one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.bundle import open_bundle
from artifacts.catalog import read_catalog
from artifacts.errors import FormatError
from artifacts.index_version import open_index_version
from index_builder.build import BuildRequest, build_version
from index_builder.index.indexing import IndexRequest
from index_builder.new_version import BuiltVersion
from index_builder.update import UpdateRequest, update_version
from knn import read_index
from tests.support.made_once import made_once
from tests.support.models import with_fields
from towers.side_encoder import SideEncoder, products_of
from towers.storage import load_side
from towers.tokens import read_tokenizers

FIELDS = ("hue", "kin")
ROWS: list[dict[str, Any]] = [
    {"product_id": f"p{row}", "title": title, "image": None, "hue": colour, "kin": kind, "price": float(row)}
    for row, (title, colour, kind) in enumerate(
        [("cap", "red", "men"), ("cap", "blue", "men"), ("cap", None, None), ("shoe", "red", "kids"), ("cap", "", None)]
    )
]
Build = Callable[..., BuiltVersion]


@pytest.fixture(scope="module")
def bundle(text_bundle: Path) -> Path:
    """A model of one text tower that reads FIELDS after the title."""

    plain = open_bundle(text_bundle)
    return made_once("builder-bundle-with-fields", lambda folder: with_fields(plain, folder, FIELDS))


@pytest.fixture
def build(bundle: Path, tmp_path: Path) -> Build:
    """Build products as a version; each has a catalogue of its own."""

    def run(version: str, rows: list[dict[str, Any]], told: list[str] | None = None, **request: Any) -> BuiltVersion:
        folder = tmp_path / version
        folder.mkdir()
        pq.write_table(pa.Table.from_pylist(rows), folder / "catalog.parquet")
        given = {"bundle": bundle, "index_request": IndexRequest("Flat")} | request
        wanted = BuildRequest(catalog=folder / "catalog.parquet", store=tmp_path / "store", version=version, **given)
        return build_version(wanted, (told if told is not None else []).append)

    return run


def vectors_of(version: Path) -> np.ndarray:
    opened = open_index_version(version)
    index = read_index(opened.index_path, opened.index_record.sha256, opened.index_record.size_bytes)
    return index.reconstruct(np.arange(index.count))


def encoded(bundle: Path, catalog: Path) -> np.ndarray:
    """The vectors of a catalogue as training and evaluation encode them."""
    opened = open_bundle(bundle)
    tokenizers = read_tokenizers(opened.product_folder, opened.product)
    return SideEncoder(load_side(opened.product_folder), tokenizers).products(products_of(read_catalog(catalog)))


def test_a_version_has_the_vectors_of_titles_and_fields(bundle: Path, build: Build, tmp_path: Path) -> None:
    told = list[str]()
    built = build("v", ROWS, told)
    found = vectors_of(built.path)
    np.testing.assert_allclose(found, encoded(bundle, tmp_path / "v" / "catalog.parquet"), atol=1e-6)
    assert built.encoded == 4  # the last product reads as the third
    np.testing.assert_array_equal(found[2], found[4])
    assert not np.allclose(found[0], found[1], atol=1e-3)
    assert not [line for line in told if "which the model reads" in line]


def test_another_value_of_a_field_is_encoded_and_of_another_column_is_not(build: Build, text_bundle: Path) -> None:
    build("first", ROWS)
    assert build("prices", [{**row, "price": 1.0} for row in ROWS]).encoded == 0
    coloured = [{**ROWS[0], "hue": "green"}, *ROWS[1:]]
    assert build("coloured", coloured).encoded == 1
    build("titles", ROWS, bundle=text_bundle)
    assert build("titles-coloured", coloured, bundle=text_bundle).encoded == 0


def test_an_update_of_a_field_is_what_a_build_is(bundle: Path, build: Build, tmp_path: Path) -> None:
    base = build("base", ROWS)

    def update(version: str, told: list[str], **columns: list[Any]) -> BuiltVersion:
        changes = tmp_path / f"{version}.parquet"
        count = len(columns["product_id"])
        pq.write_table(pa.table({**columns, "change": ["upsert"] * count}), changes)
        return update_version(
            UpdateRequest(bundle, changes, tmp_path / "store", base="base", version=version), told.append
        )

    told = list[str]()
    cheaper = update("cheaper", told, product_id=["p0"], price=[0.5])
    assert cheaper.encoded == 0
    assert "nothing that the model reads was changed: the new version shares the vectors of the base version" in told
    np.testing.assert_array_equal(vectors_of(cheaper.path), vectors_of(base.path))
    coloured = update("coloured", told, product_id=["p1", "p0"], hue=["red", "blue"])
    assert coloured.encoded == 0  # the two have changed places, in their texts
    np.testing.assert_array_equal(vectors_of(coloured.path), vectors_of(base.path)[[1, 0, 2, 3, 4]])
    assert update("green", told, product_id=["p1"], hue=["green"]).encoded == 1


def test_a_column_that_is_missing_is_told_and_one_of_numbers_refused(build: Build) -> None:
    told = list[str]()
    plain = [{key: value for key, value in row.items() if key != "kin"} for row in ROWS]
    build("without", plain, told)
    missing = [line for line in told if "which the model reads" in line]
    assert len(missing) == 1 and missing[0].endswith(
        "catalog.parquet has no column kin, which the model reads; products are encoded without this field"
    )
    with pytest.raises(FormatError, match=r"text or lists of texts, but column kin is int64; write it as text"):
        build("numbers", [{**row, "kin": 3} for row in ROWS])
