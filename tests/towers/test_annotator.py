"""Labelling pairs: texts, codes, abstention, and that neither order nor company of a pair matters."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from artifacts.annotator import ANNOTATOR_FILE, ANNOTATOR_WEIGHTS_FILE, finish_annotator, read_annotator
from artifacts.catalog import Catalog, read_catalog
from artifacts.errors import DamagedError, FormatError
from artifacts.judgments import Relevance
from tests.support.annotators import tiny_annotator
from towers.annotator import ABSTAINED, Annotator, confidence, open_annotator, product_texts

QUERIES = ["red shoe", "blue dress for women", "  ", "toy"]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    table = {
        "product_id": ["a", "b", "c", "d"],
        "title": ["red shoe", "blue dress", None, "cap"],
        "image": pa.array([None] * 4, pa.string()),
        "sub_category": ["shoes", None, None, "caps"],
        "in_stock": [True, None, None, False],
        "price": [1.5, 2.0, None, 3.25],
    }
    pq.write_table(pa.table(table), tmp_path / "catalog.parquet")
    return read_catalog(tmp_path / "catalog.parquet")


def annotator(folder: Path, threshold: float = 0.0, attributes: tuple[str, ...] = ()) -> Annotator:
    tiny_annotator(folder, threshold=threshold, attributes=attributes)
    return open_annotator(folder)


def all_pairs(catalog: Catalog) -> tuple[np.ndarray, np.ndarray]:
    numbers, rows = np.meshgrid(np.arange(len(QUERIES)), np.arange(len(catalog)), indexing="ij")
    return numbers.ravel(), rows.ravel()


def by_hand(made: Annotator, query: str, title: str) -> torch.Tensor:
    """Probabilities of a pair, put together token by token."""
    texts = [made.tokenizer.encode(text).ids for text in (query, title)]
    ids = torch.tensor([texts[0] + texts[1]])
    segments = torch.tensor([[0] * len(texts[0]) + [1] * len(texts[1])])
    positions = torch.tensor([[*range(len(texts[0])), *range(len(texts[1]))]])
    probabilities: torch.Tensor = made.model(ids, segments, positions)[0].softmax(dim=0).detach()
    return probabilities


def test_labels_are_the_likeliest_ones(tmp_path: Path, catalog: Catalog) -> None:
    made = annotator(tmp_path / "annotator")
    numbers, rows = all_pairs(catalog)
    labels = made.label(QUERIES, catalog, numbers, rows)
    assert labels.dtype == np.int8
    for number, row, label in zip(numbers, rows, labels, strict=True):
        blank = not QUERIES[number].strip() or not catalog.titles[row]
        expected = ABSTAINED if blank else by_hand(made, QUERIES[number], catalog.titles[row]).argmax()
        assert label == expected


def test_it_abstains_below_the_threshold(tmp_path: Path, catalog: Catalog) -> None:
    numbers, rows = (part[:8] for part in all_pairs(catalog))
    made = annotator(tmp_path / "all")
    highest = [float(by_hand(made, QUERIES[n], catalog.titles[r]).max()) for n, r in zip(numbers, rows, strict=True)]
    threshold = float(np.median(highest))
    labels = made.label(QUERIES, catalog, numbers, rows)
    some = annotator(tmp_path / "some", threshold).label(QUERIES, catalog, numbers, rows)
    blank = rows == 2
    kept = (np.array(highest) >= threshold) & ~blank
    assert 0 < kept.sum() < 6
    np.testing.assert_array_equal(some, np.where(kept, labels, ABSTAINED))
    assert set(annotator(tmp_path / "none", 1.0).label(QUERIES, catalog, numbers, rows)) == {ABSTAINED}


def test_neither_order_nor_company_of_a_pair_matters(tmp_path: Path, catalog: Catalog) -> None:
    made = annotator(tmp_path / "annotator", attributes=("sub_category",))
    numbers, rows = all_pairs(catalog)
    labels = made.label(QUERIES, catalog, numbers, rows)
    order = np.random.default_rng(0).permutation(len(rows))
    np.testing.assert_array_equal(made.label(QUERIES, catalog, numbers[order], rows[order]), labels[order])
    one_by_one = [made.label(QUERIES, catalog, numbers[i : i + 1], rows[i : i + 1])[0] for i in range(len(rows))]
    assert one_by_one == labels.tolist()


def test_labels_that_were_never_judged_are_not_given(tmp_path: Path, catalog: Catalog) -> None:
    tiny_annotator(tmp_path / "a", labels=(Relevance.SUBSTITUTE, Relevance.IRRELEVANT))
    labels = open_annotator(tmp_path / "a").label(QUERIES, catalog, *all_pairs(catalog))
    assert set(labels.tolist()) <= {1, 3, ABSTAINED} and len(set(labels.tolist())) > 1


def test_progress_adds_up_and_nothing_is_fine(tmp_path: Path, catalog: Catalog) -> None:
    made, told = annotator(tmp_path / "annotator"), list[int]()
    numbers, rows = (np.tile(part, 20) for part in all_pairs(catalog))
    made.label(QUERIES, catalog, numbers, rows, told.append)
    assert sum(told) == len(rows) and len(told) > 1
    nothing = np.array([], dtype=np.int64)
    assert made.label(QUERIES, catalog, nothing, nothing).shape == (0,)


def test_attributes_are_words_or_named_values(catalog: Catalog) -> None:
    texts = product_texts(catalog, ("sub_category", "in_stock", "price"), np.array([3, 1, 2]))
    assert texts.titles == ["cap", "blue dress", ""]
    assert texts.attributes == ["caps in stock false price 3.25", "price 2.0", ""]
    assert texts.blank.tolist() == [False, False, True]


def test_attributes_change_labels(tmp_path: Path, catalog: Catalog) -> None:
    numbers, rows = all_pairs(catalog)
    plain = annotator(tmp_path / "plain")
    read = annotator(tmp_path / "read", attributes=("sub_category",))
    assert plain.fingerprint != read.fingerprint
    blank_row = rows == 2
    assert (read.label(QUERIES, catalog, numbers, rows)[blank_row] == ABSTAINED).all()


def test_a_catalogue_without_the_attribute_is_refused(tmp_path: Path, catalog: Catalog) -> None:
    made = annotator(tmp_path / "annotator", attributes=("gender", "price", "age"))
    message = (
        f"{catalog.path} lacks the attribute columns gender, age; "
        "it has product_id, title, image, sub_category, in_stock, price"
    )
    with pytest.raises(FormatError, match=f"^{re.escape(message)}$"):
        made.label(QUERIES, catalog, *all_pairs(catalog))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_confidence_is_the_highest_probability(temperature: float) -> None:
    logits = (np.random.default_rng(0).normal(size=(20, 4)) * 30).astype(np.float32)
    expected = (torch.from_numpy(logits) / temperature).softmax(dim=1).amax(dim=1).numpy()
    np.testing.assert_allclose(confidence(logits, temperature), expected, rtol=1e-5)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    tiny_annotator(tmp_path / "a")
    card = read_annotator(tmp_path / "a").card
    save_file({"other": torch.zeros(2)}, tmp_path / "a" / ANNOTATOR_WEIGHTS_FILE)
    (tmp_path / "a" / ANNOTATOR_FILE).unlink()
    finish_annotator(tmp_path / "a", card.labelling, card.report, card.origin)
    with pytest.raises(DamagedError, match=r"cannot be loaded as the weights of this annotator: Error\(s\) in loading"):
        open_annotator(tmp_path / "a")
