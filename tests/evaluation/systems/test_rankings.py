"""Rankings that read words, against the ranking of words itself and a fusion by hand."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from artifacts.catalog import Catalog
from evaluation.cli import app
from evaluation.systems.rankings import HybridSystem, WordsSystem
from evaluation.systems.system import ModelSystem, Workspace
from evaluation.test_set.test_set import TestSet
from tests.lexical.words import open_words
from tests.support.models import shared_bundle

WORDS = ["lamp", "desk", "chair", "oak", "black", "white", "large", "small", "table", "vase"]
DRAW = np.random.default_rng(0)
TITLES = [" ".join(DRAW.choice(WORDS, 3)) for _ in range(150)]
IDS = [f"AB-{row:03}" for row in range(len(TITLES))]
TABLE = pa.table({"product_id": IDS, "title": TITLES, "image": pa.nulls(len(TITLES), pa.string())})
QUERIES = ["oak desk", "white vasse", "ab 042", "sofa"]
TEST_SET = TestSet(
    "d" * 64, Catalog(Path("catalog.parquet"), TABLE), QUERIES, [np.array([row]) for row in range(len(QUERIES))], None
)


@pytest.fixture(scope="module")
def model() -> ModelSystem:
    return ModelSystem("bibert", shared_bundle("bibert"))


def test_words_are_those_of_a_version(tmp_path: Path) -> None:
    index = open_words(tmp_path / "words", TITLES, id=IDS)
    found = WordsSystem().answer(TEST_SET, 20, Workspace(tmp_path, tmp_path, 4))
    for query, rows in zip(QUERIES, found.rows, strict=True):
        expected = index.search(index.understand(query), 20).rows
        assert rows[rows >= 0].tolist() == expected.tolist()
    assert found.rows[2, 0] == 42 and (found.rows[3] == -1).all()
    assert found.rows[1, 0] >= 0 and "vase" in TITLES[found.rows[1, 0]]


def test_hybrid_adds_the_shares_of_both_rankings(model: ModelSystem, tmp_path: Path) -> None:
    system, workspace = HybridSystem(model), Workspace(tmp_path / "out", tmp_path / "vectors", 4)
    found = system.answer(TEST_SET, 120, workspace)
    assert (
        system.name == "bibert+words" and len({model.fingerprint, system.fingerprint, WordsSystem().fingerprint}) == 3
    )
    assert not list((tmp_path / "out").rglob("search-*"))  # nothing is left to be taken for another's
    texts = ["oak desk", "white vase", "ab 042", "sofa"]
    corrected = TestSet("e" * 64, TEST_SET.catalog, texts, TEST_SET.bought, None)
    near = model.answer(corrected, 100, workspace).rows
    words = WordsSystem().answer(corrected, 100, workspace).rows
    for place in (0, 1, 3):
        scores = dict.fromkeys(range(len(TITLES)), 0.0)
        for ranking in (near[place], words[place][words[place] >= 0]):
            for at, row in enumerate(ranking.tolist()):
                scores[row] += 1 / (61 + at)
        expected = sorted((row for row in scores if scores[row]), key=lambda row: (-scores[row], row))[:120]
        rows = found.rows[place][found.rows[place] >= 0]
        assert rows.tolist() == expected
        assert found.scores[place, : len(rows)] == pytest.approx([scores[row] for row in expected])
    assert found.rows[2, 0] == 42 and found.scores[2, 0] > 1


def test_a_hybrid_without_a_model_is_refused(tmp_path: Path) -> None:
    command = ["run", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--ranking", "hybrid"]
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 2 and "name one with --model" in found.output
