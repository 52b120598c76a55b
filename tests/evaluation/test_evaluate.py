"""The whole evaluation command on a small shop, against numbers computed a second way."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from artifacts.dataset import Dataset, open_dataset
from evaluation.cli import app
from evaluation.testset import load_test_set
from tests.support.models import tiny_bundle
from towers.side_encoder import Products, SideEncoder
from towers.storage import load_side
from towers.tokens import read_tokenizers
from training.prepare import prepare
from training.sample_shop import generate_sample_shop

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("evaluation")
    generate_sample_shop(folder / "shop", products=240, seed=5)
    files = [folder / "shop" / f"{name}.parquet" for name in ("catalog", "interactions", "judgments")]
    return prepare(*files, folder / "data")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    for composition in ("bibert", "cat"):
        tiny_bundle(folder / composition, composition)
    return [folder / "bibert", folder / "cat"]


def by_hand(model: Path, dataset: Dataset) -> tuple[float, dict[str, float]]:
    """Recall@100 and precision with numpy's full sort, sets and dictionaries."""
    catalog = dataset.catalog()
    query = SideEncoder(load_side(model / "query"), _tokenizers(model / "query"))
    product = SideEncoder(load_side(model / "product"), _tokenizers(model / "product"))
    vectors = product.products(Products(catalog.titles, catalog.images, catalog.folder))
    bought: dict[str, set[str]] = {}
    for row in dataset.evaluation_pairs.to_pylist():
        bought.setdefault(row["query"], set()).add(row["product_id"])
    judgments = pq.read_table(dataset.card.judgments).to_pylist()
    labels = {(row["query"], row["product_id"]): row["label"] for row in judgments}
    judged = {query for query, _ in labels}
    recalls, shares = [], []
    for name in bought:
        scores = vectors @ query.queries([name])[0]
        top = [catalog.product_ids[row] for row in np.argsort(-scores, kind="stable")[:100]]
        recalls.append(len(bought[name] & set(top)) / len(bought[name]))
        if name in judged:
            found = [labels.get((name, product_id), "I") for product_id in top]
            shares.append([found.count(label) / 100 for label in "ESCI"])
    return float(np.mean(recalls)), dict(zip("ESCI", np.mean(shares, axis=0).tolist(), strict=True))


def _tokenizers(folder: Path):  # type: ignore[no-untyped-def]
    return read_tokenizers(folder, load_side(folder).spec)


def test_the_command_gives_what_a_second_writing_gives(dataset: Dataset, models: list[Path], tmp_path: Path) -> None:
    arguments = [part for model in models for part in ("--model", str(model))]
    result = CliRunner().invoke(app, ["run", *arguments, "--data", str(dataset.path), "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "cat - bibert" in result.output and "complete judgments" in result.output
    for model in models:
        saved = json.loads((tmp_path / f"{model.name}.json").read_text())
        recall, shares = by_hand(model, dataset)
        # A product at place 100 may change places with its neighbour by rounding.
        assert saved["recall"]["mean"] == pytest.approx(recall, abs=0.002)
        assert {label: found["mean"] for label, found in saved["precision"].items()} == pytest.approx(shares, abs=0.002)
        assert saved["recall"]["low"] < saved["recall"]["mean"] < saved["recall"]["high"]


def test_compare_reads_what_run_wrote(dataset: Dataset, models: list[Path], tmp_path: Path) -> None:
    arguments = [part for model in models for part in ("--model", str(model))]
    ran = CliRunner().invoke(app, ["run", *arguments, "--data", str(dataset.path), "--out", str(tmp_path)])
    paths = [str(tmp_path / f"{name}.json") for name in ("cat", "bibert")]
    compared = CliRunner().invoke(app, ["compare", *paths])
    assert compared.exit_code == 0 and compared.output.strip() in ran.output


def test_mistakes_end_in_a_sentence(dataset: Dataset, models: list[Path], tmp_path: Path) -> None:
    runner = CliRunner()
    out = ["--out", str(tmp_path)]
    for arguments, sentence in (
        (["--model", str(tmp_path), "--data", str(dataset.path)], "is no model bundle: it has no model.json"),
        (["--model", str(models[0]), "--data", str(tmp_path)], "is no data set: it has no dataset.json"),
        (
            ["--model", str(models[0]), "--model", str(models[0]), "--data", str(dataset.path)],
            "told apart by their folders",
        ),
    ):
        result = runner.invoke(app, ["run", *arguments, *out])
        assert result.exit_code == 2 and sentence in result.output, result.output


def test_the_test_set_is_what_was_bought(dataset: Dataset) -> None:
    test_set = load_test_set(open_dataset(dataset.path))
    ids = test_set.catalog.product_ids
    pairs = {(query, ids[row]) for query, rows in zip(test_set.queries, test_set.bought, strict=True) for row in rows}
    expected = {(row["query"], row["product_id"]) for row in dataset.evaluation_pairs.to_pylist()}
    assert pairs == expected
