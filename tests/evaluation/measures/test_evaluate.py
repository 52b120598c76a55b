"""The whole evaluation command on a small shop, compared with a second implementation of the metrics."""

import dataclasses
import hashlib
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from torchmetrics.functional.retrieval import retrieval_precision, retrieval_recall
from typer.testing import CliRunner

from artifacts.bundle import finish_bundle, open_bundle
from artifacts.dataset import Dataset, open_dataset
from artifacts.history import ProductHistory, write_history
from evaluation.cli import app
from evaluation.labels.labelling import Labeller
from evaluation.measures.comparison import differences
from evaluation.measures.evaluate import evaluate
from evaluation.results.saved import FirstPageValues, QueryValues, load, save
from evaluation.systems.system import ModelSystem, Workspace
from evaluation.test_set.rewriting import REWRITINGS
from evaluation.test_set.test_set import load_test_set
from tests.support.models import tiny_bundle, with_fields
from towers.query_encoder import OnnxQueryEncoder
from towers.side_encoder import Products, SideEncoder
from towers.storage import load_side
from towers.tokens import read_tokenizers
from training.logs.prepare import prepare
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


GAINS = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}


def by_hand(model: Path, dataset: Dataset) -> tuple[float, dict[str, float], dict[str, float]]:
    """Compute Recall@100, precision and the first page with a full sort by numpy, sets and dictionaries."""
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
    page: dict[str, list[float]] = {"mrr": [], "ndcg_at_10": [], "exact_at_10": []}
    for name in bought:
        scores = vectors @ query.queries([name])[0]
        top = [catalog.product_ids[row] for row in np.argsort(-scores, kind="stable")[:100]]
        recalls.append(len(bought[name] & set(top)) / len(bought[name]))
        ranks = [rank for rank, product_id in enumerate(top, 1) if product_id in bought[name]]
        page["mrr"].append(1 / ranks[0] if ranks else 0)
        if name in judged:
            found = [labels.get((name, product_id), "I") for product_id in top]
            page["exact_at_10"].append(found[:10].count("E") / 10)
            best = sorted((GAINS[label] for (query, _), label in labels.items() if query == name), reverse=True)
            if any(best):
                page["ndcg_at_10"].append(dcg([GAINS[label] for label in found]) / dcg(best))
            shares.append([found.count(label) / 100 for label in "ESCI"])
    means = {name: float(np.mean(values)) for name, values in page.items()}
    return float(np.mean(recalls)), dict(zip("ESCI", np.mean(shares, axis=0).tolist(), strict=True)), means


def dcg(gains: list[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:10], 1))


def _tokenizers(folder: Path):  # type: ignore[no-untyped-def]
    return read_tokenizers(folder, load_side(folder).spec)


def test_the_command_gives_what_a_second_writing_gives(dataset: Dataset, models: list[Path], tmp_path: Path) -> None:
    arguments = [part for model in models for part in ("--model", str(model))]
    result = CliRunner().invoke(app, ["run", *arguments, "--data", str(dataset.path), "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "cat - bibert" in result.output and "complete judgments" in result.output
    assert "Table 4" in (tmp_path / "tables.md").read_text()
    for model in models:
        saved = json.loads((tmp_path / f"{model.name}.json").read_text())
        recall, shares, page = by_hand(model, dataset)
        # Rounding may swap the products at ranks 100 and 101.
        assert saved["recall"]["mean"] == pytest.approx(recall, abs=0.002)
        found = saved["labels"]["judged"]["precision"]
        assert {label: interval["mean"] for label, interval in found.items()} == pytest.approx(shares, abs=0.002)
        first_page = saved["first_page"]
        assert first_page["unjudged_at_10"] == 0
        means = {"mrr": first_page["mrr"], "ndcg_at_10": first_page["ndcg_at_10"]}
        means["exact_at_10"] = first_page["exact_at_10"]["judged"]
        assert {name: interval["mean"] for name, interval in means.items()} == pytest.approx(page, abs=0.002)
        assert saved["recall"]["low"] < saved["recall"]["mean"] < saved["recall"]["high"]


def test_compare_reads_what_run_wrote(dataset: Dataset, models: list[Path], tmp_path: Path) -> None:
    arguments = [part for model in models for part in ("--model", str(model))]
    ran = CliRunner().invoke(app, ["run", *arguments, "--data", str(dataset.path), "--out", str(tmp_path)])
    paths = [str(tmp_path / f"{name}.json") for name in ("cat", "bibert")]
    compared = CliRunner().invoke(app, ["compare", *paths])
    assert compared.exit_code == 0 and compared.output.strip() in ran.output


def test_the_command_again_takes_what_is_finished(dataset: Dataset, models: list[Path], tmp_path: Path) -> None:
    arguments = ["run", "--model", str(models[0]), "--data", str(dataset.path), "--out", str(tmp_path)]
    first = CliRunner().invoke(app, arguments)
    assert "not evaluated again" not in first.output and "Tables 3 and 4 are left out" in first.output
    written = (tmp_path / "bibert.json").stat().st_mtime_ns
    again = CliRunner().invoke(app, [*arguments, "--bm25"])
    assert "not evaluated again: bibert\n" in again.output and "bm25 - bibert" in again.output
    assert (tmp_path / "bibert.json").stat().st_mtime_ns == written
    (tmp_path / "bibert.queries.parquet").write_bytes(b"damaged")
    third = CliRunner().invoke(app, arguments)
    assert third.exit_code == 0 and "not evaluated again" not in third.output


def test_a_result_of_an_older_release_is_read_and_evaluated_again(
    dataset: Dataset, models: list[Path], tmp_path: Path
) -> None:
    arguments = ["run", "--model", str(models[0]), "--data", str(dataset.path), "--out", str(tmp_path)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    path = tmp_path / "bibert.json"
    written = json.loads(path.read_text())
    # An older release wrote neither the key nor the columns.
    queries = pq.read_table(tmp_path / "bibert.queries.parquet")
    pq.write_table(queries.drop(["reciprocal_rank", "ndcg_at_10", "exact_at_10"]), tmp_path / "bibert.queries.parquet")
    file = (tmp_path / "bibert.queries.parquet").read_bytes()
    older = json.loads(path.read_text())
    del older["first_page"]
    older["files"]["bibert.queries.parquet"] = {"sha256": hashlib.sha256(file).hexdigest(), "size_bytes": len(file)}
    path.write_text(json.dumps(older))
    saved = load(path)
    assert saved.result.first_page is None and saved.values and saved.values.first_page is None
    assert differences(saved, saved).first_page is None
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0 and "not evaluated again" not in again.output
    assert json.loads(path.read_text())["first_page"] == written["first_page"]


def test_what_is_searched_has_its_history(dataset: Dataset, tmp_path: Path) -> None:
    plain = tiny_bundle(tmp_path / "plain", "mlp")
    shutil.copytree(plain.path, tmp_path / "known")
    (tmp_path / "known" / "model.json").unlink()
    catalog, width = dataset.catalog(), plain.card.width
    vectors = np.random.default_rng(1).normal(size=(120, width)).astype(np.float16)
    history = ProductHistory(pa.array(catalog.product_ids[60:180]), vectors)
    write_history(tmp_path / "known" / "product", history)
    finish_bundle(tmp_path / "known", plain.card.origin, plain.held_out_queries())
    test_set = load_test_set(dataset)
    known = ModelSystem("known", open_bundle(tmp_path / "known"))
    found = known.answer(test_set, 50, Workspace(tmp_path, tmp_path / "vectors", 4))
    product = SideEncoder(load_side(plain.product_folder), _tokenizers(plain.product_folder))
    own = product.products(Products(catalog.titles, catalog.images, catalog.folder))
    moved = history.add_to(own, catalog.product_ids)
    queries = OnnxQueryEncoder(plain.query_folder, plain.query).encode(test_set.queries)
    expected = np.sort(queries @ moved.T, axis=1)[:, ::-1][:, :50]
    np.testing.assert_allclose(found.scores, expected, atol=1e-5)


def test_what_is_searched_is_title_and_fields(dataset: Dataset, tmp_path: Path) -> None:
    plain = tiny_bundle(tmp_path / "plain", "bibert")
    test_set = load_test_set(dataset)
    reading = ModelSystem("reading", with_fields(plain, tmp_path / "reading", ("category", "maker")))
    with pytest.warns(UserWarning, match=r"^reading: .*catalog.parquet has no column maker, which the model reads; "):
        found = reading.answer(test_set, 50, Workspace(tmp_path, tmp_path / "vectors", 4))
    catalog = test_set.catalog
    categories = catalog.table["category"].to_pylist()
    texts = [f"{title}\ncategory: {value}" for title, value in zip(catalog.titles, categories, strict=True)]
    product = SideEncoder(load_side(plain.product_folder), _tokenizers(plain.product_folder))
    own = product.products(Products(texts, catalog.images, catalog.folder))
    queries = OnnxQueryEncoder(plain.query_folder, plain.query).encode(test_set.queries)
    expected = np.sort(queries @ own.T, axis=1)[:, ::-1][:, :50]
    np.testing.assert_allclose(found.scores, expected, atol=1e-5)


def test_slices_and_rewritten_queries_by_the_command_line(dataset: Dataset, models: list[Path], tmp_path: Path) -> None:
    arguments = [part for model in models for part in ("--model", str(model))]
    clean, order = tmp_path / "clean", tmp_path / "order"
    common = ["run", *arguments, "--data", str(dataset.path)]
    assert CliRunner().invoke(app, [*common, "--out", str(clean)]).exit_code == 0
    assert CliRunner().invoke(app, [*common, "--out", str(order), "--rewrite", "order"]).exit_code == 0
    fingerprints = {json.loads((path / "cat.json").read_text())["dataset_fingerprint"] for path in (clean, order)}
    assert len(fingerprints) == 2
    assert "Queries rewritten by the rule order: " in (order / "tables.md").read_text()
    results = [str(clean / "cat.json"), str(clean / "bibert.json")]
    result = CliRunner().invoke(app, ["slices", *results, "--data", str(dataset.path)])
    assert result.exit_code == 0 and "cat by slices" in result.output and "query not bought for in" in result.output
    results = [str(order / "cat.json"), str(order / "bibert.json")]
    refused = CliRunner().invoke(app, ["slices", *results, "--data", str(dataset.path)])
    assert refused.exit_code == 2 and "rewritten queries" in refused.output


def test_all_wordings_of_the_queries_by_one_command(dataset: Dataset, models: list[Path], tmp_path: Path) -> None:
    command = ["wording", "--model", str(models[0]), "--data", str(dataset.path), "--out", str(tmp_path)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines()]
    found = {row[0]: row for row in rows if row and row[0] in REWRITINGS}
    assert list(found) == list(REWRITINGS)
    typed, changed = load(tmp_path / "as-typed" / "bibert.json"), load(tmp_path / "unseen-words" / "bibert.json")
    assert typed.values and changed.values and typed.result.rewriting is None
    differ = [old != new for old, new in zip(typed.values.queries, changed.values.queries, strict=True)]
    assert changed.result.rewriting == "unseen-words" and changed.result.rewritten_queries == sum(differ) > 0
    assert found["unseen-words"][1] == f"{sum(differ):,}"
    table = (tmp_path / "wording.md").read_text()
    assert "## bibert: queries in other words" in table and f"| unseen-words | {sum(differ):,} |" in table
    written = [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("*/bibert.json"))]
    assert CliRunner().invoke(app, command).output == result.output
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("*/bibert.json"))] == written


def test_saved_values_come_back(dataset: Dataset, models: list[Path], tmp_path: Path) -> None:
    test_set = load_test_set(dataset)
    workspace = Workspace(tmp_path, tmp_path / "vectors", 4)
    made = evaluate(ModelSystem("m", open_bundle(models[0])), test_set, Labeller(test_set.labels, None), workspace)
    read = load(save(tmp_path, *made)).values
    assert made[1] and read
    assert read.first_page and made[1].first_page
    for kind, ours, theirs in ((QueryValues, read, made[1]), (FirstPageValues, read.first_page, made[1].first_page)):
        for field in dataclasses.fields(kind):
            if field.name != "first_page":
                np.testing.assert_equal(getattr(ours, field.name), getattr(theirs, field.name))


def test_recall_and_precision_equal_a_library(dataset: Dataset, models: list[Path], tmp_path: Path) -> None:
    test_set = load_test_set(dataset)
    workspace = Workspace(tmp_path, tmp_path / "vectors", 4)
    system = ModelSystem("m", open_bundle(models[0]))
    _, values = evaluate(system, test_set, Labeller(test_set.labels, None), workspace)
    assert values and test_set.labels
    rows, products = system.answer(test_set, 240, workspace).rows, len(test_set.catalog)
    places = np.argsort(rows, axis=1)  # of each product in each list
    scores = torch.from_numpy(products - places).float()  # all above zero, as the library requires
    judged = np.flatnonzero(test_set.labels.judged)
    exact = test_set.labels.labels(np.tile(np.arange(products), (len(rows), 1))) == 0
    for number, bought in enumerate(test_set.bought):
        target = torch.zeros(products, dtype=torch.bool)
        target[bought] = True
        for k in (1, 10, 100):
            assert values.recall_at[k][number] == pytest.approx(float(retrieval_recall(scores[number], target, k)))
    for number in judged:
        expected = retrieval_precision(scores[number], torch.from_numpy(exact[number]), 100)
        assert values.shares[number, 0] == pytest.approx(float(expected))


def test_a_degenerate_model_is_no_success(dataset: Dataset, models: list[Path], tmp_path: Path) -> None:
    constant = tmp_path / "constant"
    shutil.copytree(models[0], constant)
    for path in constant.glob("product/weights.safetensors"):
        save_file({name: torch.zeros_like(tensor) for name, tensor in load_file(path).items()}, path)
    queries, origin = open_bundle(models[0]).held_out_queries(), open_bundle(models[0]).card.origin
    (constant / "model.json").unlink()
    (constant / "held_out_queries.json").unlink()
    finish_bundle(constant, origin, queries)
    arguments = ["--model", str(models[0]), "--model", str(constant), "--data", str(dataset.path)]
    result = CliRunner().invoke(app, ["run", *arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 1, result.output
    assert "constant is degenerate: all product vectors are alike" in result.output
    saved = json.loads((tmp_path / "out" / "constant.json").read_text())
    assert saved["recall"] is None and "alike" in saved["degenerate"]
    assert json.loads((tmp_path / "out" / "bibert.json").read_text())["degenerate"] is None


def test_mistakes_end_in_a_sentence(dataset: Dataset, models: list[Path], tmp_path: Path) -> None:
    runner = CliRunner()
    out = ["--out", str(tmp_path)]
    for arguments, sentence in (
        (["--model", str(tmp_path), "--data", str(dataset.path)], "is no model bundle: it has no model.json"),
        (["--model", str(models[0]), "--data", str(tmp_path)], "is no data set: it has no dataset.json"),
        (
            ["--model", str(models[0]), "--model", str(models[0]), "--data", str(dataset.path)],
            "expected models with different folder names, got",
        ),
        (["--data", str(dataset.path)], "nothing to evaluate; name a model with --model"),
        (["--data", str(dataset.path), "--sentence-transformers", str(tmp_path)], "it has no modules.json"),
    ):
        result = runner.invoke(app, ["run", *arguments, *out])
        assert result.exit_code == 2 and sentence in result.output, result.output


def test_the_test_set_is_what_was_bought(dataset: Dataset) -> None:
    test_set = load_test_set(open_dataset(dataset.path))
    ids = test_set.catalog.product_ids
    pairs = {(query, ids[row]) for query, rows in zip(test_set.queries, test_set.bought, strict=True) for row in rows}
    expected = {(row["query"], row["product_id"]) for row in dataset.evaluation_pairs.to_pylist()}
    assert pairs == expected
