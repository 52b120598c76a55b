"""Data sets from a catalogue alone."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from artifacts.dataset import TRAINING_JUDGMENTS_FILE, Dataset, open_dataset
from artifacts.query_text import normalise_query
from evaluation.core.errors import EvaluationError
from evaluation.test_set.test_set import load_test_set
from training.catalog_alone.prepare import MOST_EACH, prepare_without_log
from training.cli import app
from training.errors import CatalogError


def column(table: pa.Table, name: str) -> set[str]:
    return {*table[name].to_pylist()}


def test_products_and_queries_that_are_held_out_are_in_no_training_pair(dataset_without_log: Dataset) -> None:
    splits = [
        dataset_without_log.train_pairs,
        dataset_without_log.validation_pairs,
        dataset_without_log.evaluation_pairs,
    ]
    for name in ("query", "product_id"):
        train, validation, evaluation = (column(split, name) for split in splits)
        assert train and validation and evaluation
        assert not train & validation and not train & evaluation
    assert not column(splits[1], "query") & column(splits[2], "query")
    for split in splits:
        assert column(split, "purchases") == {0}
        assert all(query == normalise_query(query) for query in split["query"].to_pylist())


def test_the_card_says_how_it_was_made_and_counts(dataset_without_log: Dataset, shop: Path) -> None:
    card = dataset_without_log.card
    assert card.made_from_catalog and card.interactions is None and card.judgments is None
    assert card.training_window is None and card.evaluation_window is None
    assert card.train.products == 240 - 2 * 12 and card.train.pairs <= MOST_EACH * card.train.products
    assert len(dataset_without_log.seen_negatives) == 0 and dataset_without_log.shown_pairs is None
    assert card.evaluation_queries_unseen == card.evaluation.queries == len(load_test_set(dataset_without_log).queries)


def test_the_seed_decides(dataset_without_log: Dataset, shop: Path, tmp_path: Path) -> None:
    again = prepare_without_log(shop / "catalog.parquet", tmp_path / "again")
    other = prepare_without_log(shop / "catalog.parquet", tmp_path / "other", seed=1)
    assert again.fingerprint == dataset_without_log.fingerprint != other.fingerprint


def test_labels_and_photos_are_looked_for_beside_a_catalogue_that_is_a_link(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "catalog.parquet").symlink_to(shop / "catalog.parquet")
    (tmp_path / "linked").symlink_to(tmp_path / "shop")
    dataset = prepare_without_log(tmp_path / "linked" / "catalog.parquet", tmp_path / "data")
    assert dataset.catalog_texts().folder == (tmp_path / "shop").resolve() and dataset.training_judgments_file is None
    labels = tmp_path / "shop" / TRAINING_JUDGMENTS_FILE
    labels.touch()
    assert dataset.training_judgments_file == labels.resolve()


def test_a_catalogue_without_words_is_refused(tmp_path: Path) -> None:
    products = {"product_id": ["a", "b", "c"], "title": pa.nulls(3, pa.string()), "image": ["a.jpg", "b.jpg", "c.jpg"]}
    pq.write_table(pa.table(products), tmp_path / "catalog.parquet")
    with pytest.raises(CatalogError, match="has 3 products and no words from which queries can be made"):
        prepare_without_log(tmp_path / "catalog.parquet", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_catalogue_of_which_too_little_is_left_to_train_on_is_refused(tmp_path: Path) -> None:
    products = {
        "product_id": ["a", "b", "c", "d"],
        "title": ["red mug", "lamp", "chair", "sofa"],
        "image": ["x.jpg"] * 4,
    }
    pq.write_table(pa.table(products).slice(0, 3), tmp_path / "catalog.parquet")
    with pytest.raises(CatalogError, match=r"has 3 products and words in 3 of them .* four are enough"):
        prepare_without_log(tmp_path / "catalog.parquet", tmp_path / "data")
    pq.write_table(pa.table(products), tmp_path / "catalog.parquet")
    assert prepare_without_log(tmp_path / "catalog.parquet", tmp_path / "data").card.train.products == 2


def test_where_all_titles_are_the_same_no_query_is_left_to_evaluate_on(tmp_path: Path) -> None:
    products = {"product_id": [str(row) for row in range(30)], "title": ["mug"] * 30, "image": ["x.jpg"] * 30}
    pq.write_table(pa.table(products), tmp_path / "catalog.parquet")
    dataset = prepare_without_log(tmp_path / "catalog.parquet", tmp_path / "data")
    assert dataset.card.train.products == 26 and dataset.card.evaluation.queries == 0
    with pytest.raises(
        EvaluationError, match=r"data has no queries to evaluate on: without a log .* it needs more products"
    ):
        load_test_set(dataset)


def test_the_command_says_what_is_left_out(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "catalog.parquet").write_bytes((shop / "catalog.parquet").read_bytes())
    arguments = ["prepare", "--shop", str(tmp_path), "--out", str(tmp_path / "data")]
    said = " ".join(CliRunner().invoke(app, arguments).output.split())
    assert "has no interactions.parquet: the data set is made from the catalogue alone" in said
    assert "products with a photo that can be used: 0 of 240; the others: " in said
    assert open_dataset(tmp_path / "data").card.made_from_catalog
    for about_a_log in ("--training-months=3", "--threshold=2", "--weight=click=1"):
        asked = CliRunner().invoke(app, [*arguments[:-1], str(tmp_path / "other"), about_a_log])
        assert asked.exit_code == 2 and "interactions.parquet is missing" in " ".join(asked.output.split())
