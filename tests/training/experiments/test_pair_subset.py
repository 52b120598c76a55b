"""A data set with some of the training pairs of another."""

from pathlib import Path

import pyarrow.compute as pc
import pytest

from artifacts.dataset import Dataset, open_dataset
from training.batches.training_data import data_from_dataset
from training.errors import ExperimentError
from training.experiments.pair_subset import chosen_pairs, write_subset


def keys(table: object) -> set[tuple[str, str]]:
    return {(row["query"], row["product_id"]) for row in table.to_pylist()}  # type: ignore[attr-defined]


def test_only_training_pairs_and_what_belongs_to_their_queries_become_fewer(dataset: Dataset, tmp_path: Path) -> None:
    found = write_subset(dataset.path, tmp_path / "data-60", 60, seed=1)
    assert found.fingerprint != dataset.fingerprint and found.card.train.pairs == len(found.train_pairs) == 60
    assert keys(found.train_pairs) <= keys(dataset.train_pairs)
    assert found.validation_pairs.equals(dataset.validation_pairs)
    assert found.evaluation_pairs.equals(dataset.evaluation_pairs)
    queries = set(pc.unique(found.train_pairs["query"]).to_pylist())
    assert found.shown_pairs is not None and dataset.shown_pairs is not None
    for mine, whole in ((found.shown_pairs, dataset.shown_pairs), (found.seen_negatives, dataset.seen_negatives)):
        assert keys(mine) == {key for key in keys(whole) if key[0] in queries}


def test_the_card_counts_what_is_left(dataset: Dataset, tmp_path: Path) -> None:
    found = write_subset(dataset.path, tmp_path / "data-60", 60, seed=1)
    card, pairs = found.card, keys(found.train_pairs)
    evaluation = found.evaluation_pairs.to_pylist()
    queries = {query for query, _ in pairs}
    assert card.train.queries == len(queries) and card.train.products == len({product for _, product in pairs})
    assert card.evaluation_overlap is not None
    assert card.evaluation_overlap.pairs == sum((row["query"], row["product_id"]) in pairs for row in evaluation)
    assert card.evaluation_overlap.queries == len({row["query"] for row in evaluation} & queries)
    assert card.evaluation_queries_unseen == card.evaluation.queries - card.evaluation_overlap.queries
    assert "60" in (found.path / "table1.md").read_text()


def test_fewer_pairs_are_part_of_more(dataset: Dataset) -> None:
    few, more = (keys(chosen_pairs(dataset, count, seed=3)) for count in (20, 90))
    assert len(few) == 20 and few < more
    assert keys(chosen_pairs(dataset, 20, seed=4)) != few


def test_without_pairs_it_is_a_data_set_all_the_same(dataset: Dataset, tmp_path: Path) -> None:
    write_subset(dataset.path, tmp_path / "data-0", 0, seed=0)
    data = data_from_dataset(tmp_path / "data-0")
    assert not data.train and not data.seen_negatives and not data.shown and data.validation
    assert data.training_queries() == []


def test_kept_vectors_are_shared(dataset: Dataset, tmp_path: Path) -> None:
    found = write_subset(dataset.path, tmp_path / "data-5", 5, seed=0)
    assert (found.path / "vectors").resolve() == (dataset.path / "vectors").resolve()
    assert open_dataset(found.path).fingerprint == found.fingerprint


def test_more_pairs_than_there_are_is_an_error(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="training pairs; ask for no more than these"):
        write_subset(dataset.path, tmp_path / "data", 10**9, seed=0)
