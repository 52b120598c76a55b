"""BM25, compared with its formula, and a small sentence-transformers model, compared with its own vectors."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from artifacts.bm25 import K1, B
from artifacts.catalog import Catalog
from evaluation.core.errors import EvaluationError
from evaluation.systems.bm25 import bm25_system
from evaluation.systems.sentence_models import sentence_system
from evaluation.systems.system import Workspace
from evaluation.test_set.test_set import TestSet
from tests.support.specs import tiny_tokenizer

# Words that are no stop words and that the stemmer does not change.
TITLES = ["red mug", "red red lamp", "blue mug mug big", "rug", "", "green lamp big tall"]
QUERIES = ["red mug", "big lamp", "sofa"]
TEST_SET = TestSet(
    "d" * 64,
    Catalog(Path("catalog.parquet"), pa.table({"product_id": list("abcdef"), "title": TITLES, "image": [""] * 6})),
    QUERIES,
    [np.array([0])] * 3,
    None,
)


def bm25_by_hand(query: str, title: str) -> float:
    texts = [text.split() for text in TITLES]
    words, mean_length = title.split(), sum(map(len, texts)) / len(texts)
    score = 0.0
    for word in query.split():
        holding, times = sum(word in text for text in texts), words.count(word)
        rarity = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
        score += rarity * times / (times + K1 * (1 - B + B * len(words) / mean_length))
    return score


def test_bm25_equals_its_formula(tmp_path: Path) -> None:
    found = bm25_system().answer(TEST_SET, 6, Workspace(tmp_path, tmp_path, 4))
    for query, rows, scores in zip(QUERIES, found.rows, found.scores, strict=True):
        expected = {row: bm25_by_hand(query, title) for row, title in enumerate(TITLES)}
        best = sorted((row for row in expected if expected[row] > 0), key=lambda row: (-expected[row], row))
        assert rows[rows >= 0].tolist() == best
        assert scores[: len(best)] == pytest.approx([expected[row] for row in best], rel=1e-5)
    assert (found.rows[2] == -1).all()  # no title has the word


def test_bm25_reads_words_of_one_stem_as_one(tmp_path: Path) -> None:
    plural = TestSet("d" * 64, TEST_SET.catalog, ["the MUGS"], [np.array([0])], None)
    found = bm25_system().answer(plural, 6, Workspace(tmp_path, tmp_path, 4))
    assert sorted(found.rows[0][found.rows[0] >= 0].tolist()) == [0, 2]


def test_bm25_reads_the_fields_that_it_is_given(tmp_path: Path) -> None:
    table = TEST_SET.catalog.table.append_column("kind", pa.array(["cup", None, "cup", "N/A", "sofa", "lamp"]))
    fields = TestSet("d" * 64, Catalog(Path("catalog.parquet"), table), ["sofa", "cup red"], [np.array([0])] * 2, None)
    system, workspace = bm25_system(["kind"]), Workspace(tmp_path, tmp_path, 4)
    assert system.name == "bm25-fields" and system.fingerprint != bm25_system().fingerprint
    assert "over titles, kind," in system.description
    found = system.answer(fields, 6, workspace)
    assert found.rows[0][:2].tolist() == [4, -1] and found.rows[1][0] == 0
    with pytest.raises(EvaluationError, match=r"--bm25-field price: catalog.parquet has no such column of text"):
        bm25_system(["price"]).answer(fields, 6, workspace)


def test_a_missing_library_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "bm25s" else find_spec(name))
    with pytest.raises(EvaluationError) as raised:
        bm25_system()
    assert str(raised.value) == "--bm25 needs bm25s; install it with: pip install 'vitrine[train]'"


@pytest.mark.integration
def test_a_sentence_transformers_folder_is_searched_by_its_own_vectors(tmp_path: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    torch.manual_seed(0)
    model = SentenceTransformer(modules=[StaticEmbedding(tiny_tokenizer(), embedding_dim=8)], device="cpu")
    model.save(str(tmp_path / "static"))
    system = sentence_system(tmp_path / "static")
    found = system.answer(TEST_SET, 3, Workspace(tmp_path, tmp_path, 4))
    products, queries = model.encode(TITLES), model.encode(QUERIES)
    products = products / np.maximum(np.linalg.norm(products, axis=1, keepdims=True), 1e-9)
    queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    assert found.scores == pytest.approx(np.sort(queries @ products.T, axis=1)[:, ::-1][:, :3], abs=1e-5)
    assert system.name == "static" and len(system.fingerprint) == 64


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"is no sentence-transformers model: it has no modules\.json"):
        sentence_system(tmp_path)
