"""Popularity in builds: a coordinate after the content's, in whole versions and updates, by type of index."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from artifacts.bundle import CARD_FILE, PRODUCT_SIDE, QUERY_SIDE, ModelBundle, finish_bundle, open_bundle
from artifacts.catalog import read_catalog
from artifacts.index_version import open_index_version
from artifacts.popularity import PriorColumns, read_priors, write_priors
from artifacts.store import Store
from index_builder.build import BuildRequest, build_version
from index_builder.index.indexing import IndexRequest
from index_builder.update import UpdateRequest, update_version
from index_builder.versions.verify import verify_version
from tests.index_builder.test_update import vectors_of
from tests.support.made_once import made_once
from tests.support.priors import give_prior, tiny_priors
from tests.support.specs import tiny_tokenizer
from towers.export import export_query_side
from towers.storage import load_side, save_side

KNOWN = slice(20, 260)  # rows of products that were bought


def _write(folder: Path, plain: ModelBundle, product_ids: list[str]) -> None:
    shutil.copytree(plain.path, folder, dirs_exist_ok=True)
    (folder / CARD_FILE).unlink()
    side = load_side(plain.query_folder)
    give_prior(side)
    save_side(side, folder / QUERY_SIDE, {"bibert": tiny_tokenizer()})
    export_query_side(side, folder / QUERY_SIDE, ["red shoe", "cap"])
    columns = PriorColumns.of(side.spec)
    assert columns is not None
    write_priors(folder / PRODUCT_SIDE, tiny_priors([*product_ids[KNOWN], "gone"], columns))
    finish_bundle(folder, plain.card.origin, plain.held_out_queries())


@pytest.fixture(scope="module")
def with_prior(text_bundle: Path, catalog: Path) -> Path:
    """The bundle of titles alone with the popularity of most products, and of one that the catalogue lacks."""
    ids = read_catalog(catalog).product_ids
    return made_once("builder-bundle-prior", lambda folder: _write(folder, open_bundle(text_bundle), ids))


@pytest.fixture(scope="module")
def store(with_prior: Path, text_bundle: Path, catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions of a bundle without popularity, and of the same with it."""
    path = tmp_path_factory.mktemp("store")
    build_version(BuildRequest(text_bundle, catalog, path, "plain", IndexRequest("Flat")))
    build_version(BuildRequest(with_prior, catalog, path, "prior", IndexRequest("Flat")))
    build_version(BuildRequest(with_prior, catalog, path, "rounded", IndexRequest("IVF8,SQ8")))
    return path


def test_a_bundle_with_popularity_has_the_width_of_all_columns(with_prior: Path) -> None:
    bundle = open_bundle(with_prior)
    assert (bundle.card.width, bundle.query.width, bundle.query.content_width, bundle.product.width) == (40, 40, 32, 32)


def test_vectors_are_those_of_the_content_and_of_popularity(store: Path, with_prior: Path, catalog: Path) -> None:
    plain, found = (vectors_of(store / "versions" / name) for name in ("plain", "prior"))
    assert found.shape == (300, 40)
    bundle = open_bundle(with_prior)
    priors = read_priors(bundle.product_folder, bundle.query)
    assert priors is not None
    by_id = dict(zip(priors.product_ids.to_pylist(), priors.values.tolist(), strict=True))
    reach = priors.columns.reach
    for product_id, content, vector in zip(read_catalog(catalog).product_ids, plain, found, strict=True):
        prior = by_id.get(product_id, priors.estimate)
        np.testing.assert_allclose(vector[:32], content * (1 - reach**2) ** 0.5, atol=1e-6)
        np.testing.assert_allclose(vector[32:34], [prior, max(reach**2 - prior**2, 0) ** 0.5], atol=1e-4)
        np.testing.assert_array_equal(vector[34:], 0)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    versions = {name: open_index_version(store / "versions" / name) for name in ("plain", "prior")}
    assert {name: version.manifest.with_prior for name, version in versions.items()} == {"plain": None, "prior": 240}
    assert versions["prior"].query.prior == bundle.query.prior


@pytest.mark.parametrize("version", ["prior", "rounded"])
def test_versions_are_whole_and_answer_as_they_were_built(version: str, store: Path) -> None:
    verify_version(Store(store), version)
    exact, found = (vectors_of(store / "versions" / name) for name in ("prior", version))
    np.testing.assert_allclose(found, exact, atol=0.01)  # also where a column is one number for all


def test_an_update_gives_new_products_the_estimate(
    store: Path, with_prior: Path, catalog: Path, tmp_path: Path
) -> None:
    known, unknown = read_catalog(catalog).table.slice(30, 1).to_pylist()[0], "brand-new"
    rows = [{**known, "title": "cotton cap"}, {**known, "product_id": unknown, "title": "cotton cap"}]
    pq.write_table(pa.Table.from_pylist([{**row, "change": "upsert"} for row in rows]), tmp_path / "changes.parquet")
    built = update_version(UpdateRequest(with_prior, tmp_path / "changes.parquet", store, "prior", "prior-new"))
    verify_version(Store(store), "prior-new")
    vectors, ids = vectors_of(built.path), open_index_version(built.path).products()["product_id"].to_pylist()
    changed, new = vectors[ids.index(known["product_id"])], vectors[ids.index(unknown)]
    np.testing.assert_allclose(changed[:32], new[:32], atol=1e-6)
    assert new[32] == np.float32(-0.05) and changed[32] == vectors_of(store / "versions" / "prior")[30][32]
    assert built.manifest.with_prior == 240


def test_a_bundle_of_half_a_prior_is_refused(with_prior: Path, catalog: Path, tmp_path: Path) -> None:
    plain = open_bundle(with_prior)
    folder = Path(shutil.copytree(with_prior, tmp_path / "half"))
    (folder / CARD_FILE).unlink()
    (folder / PRODUCT_SIDE / "popularity.parquet").unlink()
    finish_bundle(folder, plain.card.origin, plain.held_out_queries())
    with pytest.raises(Exception, match=r"popularity.parquet is missing"):
        build_version(BuildRequest(folder, catalog, tmp_path / "store", "v", IndexRequest("Flat")))


def test_queries_without_popularity_rank_as_the_plain_version(store: Path, with_prior: Path) -> None:
    plain, found = (vectors_of(store / "versions" / name) for name in ("plain", "prior"))
    bundle = open_bundle(with_prior)
    columns = PriorColumns.of(bundle.query)
    assert columns is not None
    from towers.query_encoder import OnnxQueryEncoder

    queries = OnnxQueryEncoder(bundle.query_folder, bundle.query).encode(["red shoe", "cotton dress", "cap"])
    without = columns.scale(queries, 0) @ found.T
    np.testing.assert_allclose(without, columns.content_length * columns.content_of(queries) @ plain.T, atol=1e-6)
    with torch.inference_mode():
        assert not np.array_equal(np.argsort(-without), np.argsort(-(queries @ found.T)))
