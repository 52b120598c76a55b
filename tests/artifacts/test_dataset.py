"""A prepared data set."""

import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.catalog import read_catalog
from artifacts.dataset import Dataset, DatasetCard, SplitStatistics, Window, finish_dataset, open_dataset
from artifacts.errors import DamagedError, FormatError, MismatchError

SPLITS = ("train", "validation", "evaluation")
DAY = datetime.datetime(2026, 1, 1)


def pairs(count: int) -> pa.Table:
    return pa.table(
        {
            "query": [f"q{number}" for number in range(count)],
            "product_id": ["a"] * count,
            "purchases": pa.array(range(count), pa.int64()),
        }
    )


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """A data set of a one-product shop."""
    shop, folder = tmp_path / "shop", tmp_path / "dataset"
    shop.mkdir()
    folder.mkdir()
    pq.write_table(pa.table({"product_id": ["a"], "title": ["A"], "image": ["a.png"]}), shop / "catalog.parquet")
    judged = pa.table({"query": ["q0"], "product_id": ["a"], "label": ["E"]})
    pq.write_table(judged.replace_schema_metadata({"absent": "I"}), shop / "judgments.parquet")
    for number, split in enumerate(SPLITS):
        pq.write_table(pairs(number + 1), folder / f"{split}_pairs.parquet")
    pq.write_table(pa.table({"query": ["q0"], "product_id": ["b"]}), folder / "seen_negatives.parquet")
    statistics = SplitStatistics(pairs=1, queries=1, products=1)
    finish_dataset(
        folder,
        DatasetCard(
            catalog=str(shop / "catalog.parquet"),
            catalog_sha256=read_catalog(shop / "catalog.parquet").sha256(),
            judgments=str(shop / "judgments.parquet"),
            training_window=Window(start=DAY, end=DAY + datetime.timedelta(days=30)),
            evaluation_window=Window(start=DAY + datetime.timedelta(days=30), end=DAY + datetime.timedelta(60)),
            seed=3,
            train=statistics,
            validation=statistics,
            evaluation=statistics,
            evaluation_queries_unseen=1,
            files={},
        ),
    )
    return open_dataset(folder)


def test_a_data_set_gives_each_of_its_tables(dataset: Dataset) -> None:
    assert dataset.train_pairs.equals(pairs(1))
    assert dataset.validation_pairs.equals(pairs(2))
    assert dataset.evaluation_pairs.equals(pairs(3))
    assert dataset.seen_negatives.to_pydict() == {"query": ["q0"], "product_id": ["b"]}
    assert dataset.catalog().product_ids == ["a"]
    judgments = dataset.judgments()
    assert judgments is not None and judgments.complete
    assert dataset.card.training_window.end == dataset.card.evaluation_window.start
    assert sorted(dataset.card.files) == [
        "evaluation_pairs.parquet",
        "seen_negatives.parquet",
        "train_pairs.parquet",
        "validation_pairs.parquet",
    ]


def test_a_data_set_may_say_what_was_shown(dataset: Dataset) -> None:
    assert dataset.shown_pairs is None  # as those before it was kept
    table = pa.table({"query": ["q0"], "product_id": ["b"], "impressions": [4]})
    pq.write_table(table, dataset.path / "shown_pairs.parquet")
    (dataset.path / "dataset.json").unlink()
    finish_dataset(dataset.path, dataset.card)
    found = open_dataset(dataset.path).shown_pairs
    assert found is not None and found.equals(table)


def test_a_shop_may_have_no_judgments(dataset: Dataset) -> None:
    without = Dataset(dataset.path, dataset.card.model_copy(update={"judgments": None}))
    assert without.judgments() is None


def test_a_catalog_that_has_changed_is_refused(dataset: Dataset) -> None:
    path = Path(dataset.card.catalog)
    pq.write_table(pa.table({"product_id": ["b"], "title": ["B"], "image": ["b.png"]}), path)
    with pytest.raises(MismatchError) as caught:
        dataset.catalog()
    assert str(caught.value) == (
        f"{path} has changed since {dataset.path} was prepared from it; run `training prepare` again"
    )


@pytest.mark.parametrize("name", [*(f"{split}_pairs" for split in SPLITS), "seen_negatives"])
@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_damage_to_any_table_is_refused_by_its_name(dataset: Dataset, name: str, damage: str) -> None:
    file = dataset.path / f"{name}.parquet"
    if damage == "missing":
        file.unlink()
    else:
        pq.write_table(pairs(7), file)
    with pytest.raises(DamagedError) as caught:
        open_dataset(dataset.path)
    assert str(caught.value).startswith(f"{file} ")


def test_a_folder_without_card_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DamagedError) as caught:
        open_dataset(tmp_path)
    assert str(caught.value) == (f"{tmp_path} is no data set: it has no dataset.json; make one with `training prepare`")


def test_another_schema_version_is_refused(dataset: Dataset) -> None:
    card = dataset.path / "dataset.json"
    card.write_text(card.read_text().replace('"schema_version": 1', '"schema_version": 9'))
    with pytest.raises(FormatError) as caught:
        open_dataset(dataset.path)
    assert str(caught.value) == f"{card} has schema version 9, this Vitrine reads 1"


def test_the_fingerprint_tells_other_pairs(dataset: Dataset) -> None:
    assert open_dataset(dataset.path).fingerprint == dataset.fingerprint
    (dataset.path / "dataset.json").unlink()
    pq.write_table(pairs(7), dataset.path / "train_pairs.parquet")
    finish_dataset(dataset.path, dataset.card)
    assert open_dataset(dataset.path).fingerprint != dataset.fingerprint
