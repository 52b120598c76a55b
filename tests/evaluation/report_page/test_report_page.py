"""The report of a small evaluation, read with an HTML parser."""

import base64
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from torch.utils.tensorboard import SummaryWriter
from typer.testing import CliRunner

from artifacts.dataset import Dataset
from evaluation.cli import app
from tests.support.html import Element, parse
from tests.support.models import tiny_bundle
from training.logs.prepare import prepare
from training.sample_shop import generate_sample_shop

pytestmark = pytest.mark.integration

ATTACK = "<img src=x onerror=alert(1)>"
NAMES = {"E": "Exact", "S": "Substitute", "C": "Complement", "I": "Irrelevant"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Make a shop with HTML in titles and queries, in which two thirds of the photos are unusable."""
    folder = tmp_path_factory.mktemp("report")
    generate_sample_shop(folder / "shop", products=240, seed=5)
    files = {name: folder / "shop" / f"{name}.parquet" for name in ("catalog", "interactions", "judgments")}
    catalog = pq.read_table(files["catalog"])
    titles = [f"{title} {number} {ATTACK}" for number, title in enumerate(catalog["title"].to_pylist())]
    images = [
        (image, f"https://example.com/{number}.jpg", "images/not-there.jpg")[number % 3]
        for number, image in enumerate(catalog["image"].to_pylist())
    ]
    _replace(files["catalog"], {"title": titles, "image": images})
    for name in ("interactions", "judgments"):
        _replace(files[name], {"query": [f"{query} <b>&" for query in pq.read_table(files[name])["query"].to_pylist()]})
    return prepare(*files.values(), folder / "data")  # type: ignore[arg-type]


def _replace(path: Path, columns: dict[str, list[Any]]) -> None:
    table = pq.read_table(path)
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values, pa.string()))
    pq.write_table(table, path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for composition in ("bibert", "cat"):
        tiny_bundle(folder / composition, composition)
    with SummaryWriter(folder / "bibert" / "curves") as writer:
        for step in range(0, 5000, 10):
            writer.add_scalar("loss", 1 / (step + 1), step)
    return folder


@pytest.fixture(scope="module")
def results(dataset: Dataset, runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results")
    models = [part for name in ("bibert", "cat") for part in ("--model", str(runs / name))]
    ran = CliRunner().invoke(app, ["run", *models, "--bm25", "--data", str(dataset.path), "--out", str(out)])
    assert (out / "cat.vs-bibert.json").is_file(), ran.output
    return out


def report(results: Path, dataset: Dataset, out: Path, *more: str) -> str:
    arguments = ["--results", str(results), "--data", str(dataset.path), "--out", str(out), *more]
    made = CliRunner().invoke(app, ["report", *arguments])
    assert made.exit_code == 0, made.output
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(results: Path, dataset: Dataset, runs: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return report(results, dataset, tmp_path_factory.mktemp("page") / "report.html", "--runs", str(runs))


@pytest.fixture(scope="module")
def page(text: str) -> Element:
    return parse(text)


def in_percent(share: float) -> str:
    return f"{share * 100:.1f}"


def in_points(share: float) -> str:
    return f"{share * 100:+.1f}".replace("-", "\u2212")


def test_table_2_holds_the_results(page: Element, results: Path) -> None:
    rows = {row[0].split()[0]: row[1:] for row in page.by_id("table-2").rows()[1:]}
    assert list(rows) == ["bibert", "cat", "bm25"]
    for name, cells in rows.items():
        saved = json.loads((results / f"{name}.json").read_text())
        precision = saved["labels"]["judged"]["precision"]
        intervals = [saved["recall"], *(precision[label] for label in "ESCI")]
        expected = [f"{in_percent(i['mean'])} [{in_percent(i['low'])}, {in_percent(i['high'])}]" for i in intervals]
        if name != "bibert":
            found = json.loads((results / f"{name}.vs-bibert.json").read_text())
            differences = [found["recall"], *(found["labels"]["judged"][label] for label in "ESCI")]
            for number, d in enumerate(differences):
                star = "*" if d["p_value"] < 0.05 else ""
                words = f"{in_points(d['mean'])}{star} [{in_points(d['low'])}, {in_points(d['high'])}]"
                expected[number] += f" {words}"
        assert cells == expected


def test_the_main_table_holds_the_first_page(page: Element, results: Path) -> None:
    head, *rows = page.by_id("main-table").rows()
    assert head == ["Model", "nDCG@10", "MRR", "Exact@10", "Recall@1", "Recall@10", "Recall@100"]
    assert [row[0].split()[0] for row in rows] == ["bibert", "cat", "bm25"]
    for name, *cells in rows:
        name = name.split()[0]
        saved = json.loads((results / f"{name}.json").read_text())
        first, recall_at = saved["first_page"], saved["recall_at"]
        intervals = [first["ndcg_at_10"], first["mrr"], first["exact_at_10"]["judged"]]
        intervals += [recall_at[k] for k in ("1", "10", "100")]
        expected = [f"{in_percent(i['mean'])} [{in_percent(i['low'])}, {in_percent(i['high'])}]" for i in intervals]
        if name != "bibert":
            found = json.loads((results / f"{name}.vs-bibert.json").read_text())
            first = found["first_page"]
            differences = [first["ndcg_at_10"], first["mrr"], first["exact_at_10"]["judged"]]
            differences += [first["recall_at"]["1"], first["recall_at"]["10"], found["recall"]]
            for number, d in enumerate(differences):
                star = "*" if d["p_value"] < 0.05 else ""
                expected[number] += f" {in_points(d['mean'])}{star} [{in_points(d['low'])}, {in_points(d['high'])}]"
        assert cells == expected
    queries = json.loads((results / "cat.json").read_text())["first_page"]["ndcg_at_10"]["queries"]
    assert (
        f"nDCG@10 is by judgments alone, over {queries:,} queries, with the gains Exact 1, Substitute 0.1" in page.text
    )
    assert "Its first ten products by nDCG@10: " in page.text


def test_tables_3_and_4_hold_the_comparisons(page: Element, results: Path) -> None:
    table_3 = {row[0]: row[1:] for row in page.by_id("table-3").rows()[1:]}
    table_4 = {row[0].split()[0]: row[1:] for row in page.by_id("table-4").rows()[1:]}
    assert list(table_3) == list(table_4) == ["cat", "bm25"]
    for name in table_3:
        saved = json.loads((results / f"{name}.vs-bibert.json").read_text())
        assert table_3[name] == [f"{saved['overlap'][key]:.1f}" for key in ("mean", "deviation")]
        assert table_4[name][:2] == [f"{saved['net_count'][key]:.1f}" for key in ("mean", "deviation")]
        shares = [saved["net_recall"], *(saved["net_labels"]["judged"]["precision"][label] for label in "ESCI")]
        assert [cell.split()[0] for cell in table_4[name][2:]] == [in_percent(share["mean"]) for share in shares]


def test_table_1_holds_the_data_set(page: Element, dataset: Dataset) -> None:
    rows = {row[0]: row[2:] for row in page.by_id("table-1").rows()[1:]}
    for name, split in (("Training", dataset.card.train), ("Evaluation", dataset.card.evaluation)):
        assert rows[name] == [f"{number:,}" for number in (split.pairs, split.queries, split.products)]


def lists_of(results: Path, name: str) -> dict[str, list[int]]:
    table = pq.read_table(results / f"{name}.retrieved.parquet")
    return dict(zip(table["query"].to_pylist(), table["rows"].to_pylist(), strict=True))


def test_panels_show_what_only_one_model_found(page: Element, results: Path, dataset: Dataset) -> None:
    catalog = dataset.catalog()
    titles, ids = catalog.titles, catalog.product_ids
    bought: dict[str, set[str]] = {}
    for row in dataset.evaluation_pairs.to_pylist():
        bought.setdefault(row["query"], set()).add(row["product_id"])
    judgments = {
        (row["query"], row["product_id"]): row["label"] for row in pq.read_table(dataset.card.judgments).to_pylist()
    }
    judged = {query for query, _ in judgments}
    model, baseline = lists_of(results, "cat"), lists_of(results, "bibert")
    panels = list(page.all("article"))
    assert 8 <= len(panels) <= 24
    for panel in panels:
        (query,) = [heading.text for heading in panel.all("h4")]
        for css_class, mine, theirs in (("of-model", model, baseline), ("of-baseline", baseline, model)):
            (side,) = panel.all("div", css_class)
            net = [(rank, row) for rank, row in enumerate(mine[query], 1) if row not in theirs[query]]
            net.sort(key=lambda pair: (ids[pair[1]] not in bought[query], pair[0]))
            (head,) = [heading.text for heading in side.all("h5")]
            assert f": {len(net)} products" in head
            shown = []
            for item in side.all("li"):
                (title,) = item.all("span", "title")
                (label,) = item.all("span", "label")
                (rank,) = item.all("span", "rank")
                shown.append((title.text, label.text, "\u2713 bought" in item.text, rank.text))
            expected = []
            for rank, row in net[:8]:
                name = NAMES[judgments.get((query, ids[row]), "I")] if query in judged else "no label"
                title = " ".join(titles[row].split())
                expected.append((title, name, ids[row] in bought[query], f"rank {rank}"))
            assert shown == expected
        (note,) = list(panel.all("p", "note"))[:1]
        found = [len(bought[query] & {ids[row] for row in lists[query]}) for lists in (model, baseline)]
        assert note.text == f"Of {len(bought[query])} bought, cat finds {found[0]}, bibert {found[1]}."


def test_titles_and_queries_stay_text(page: Element, text: str) -> None:
    assert not [element for element in page.all() if any(name.startswith("on") for name in element.attributes)]
    assert all(image.attributes["src"].startswith("data:image/webp;base64,") for image in page.all("img"))
    assert not list(page.all("b"))
    assert any(ATTACK in element.text for element in page.all("span", "title"))
    assert any(heading.text.endswith("<b>&") for heading in page.all("h4"))
    assert "<img src=x" not in text


def test_the_page_asks_for_nothing(page: Element, text: str) -> None:
    ids = [element.attributes["id"] for element in page.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    assert not [element for element in page.all() if element.tag in ("script", "link", "iframe", "object")]
    for element in page.all():
        for name in ("src", "href", "xlink:href", "srcset", "action", "poster"):
            value = element.attributes.get(name, "#")
            assert value.startswith("data:") or value == "#" or value[1:] in ids, (element.tag, name, value[:80])
    assert all(found.strip("'\" ").startswith("#") for found in re.findall(r"url\(([^)]*)\)", text))
    assert "@import" not in text and "https://example.com" not in text


def test_usable_photos_are_shown_and_others_have_a_placeholder(page: Element, dataset: Dataset) -> None:
    products = dict(zip(dataset.catalog().titles, dataset.catalog().images, strict=True))
    by_words = {" ".join(title.split()): image for title, image in products.items()}
    seen = {"photo": 0, "none": 0}
    for item in (item for side in page.all("div", "side") for item in side.all("li")):
        image = by_words[next(item.all("span", "title")).text]
        usable = image is not None and (dataset.catalog().folder / image).is_file()
        pictures = list(item.all("img"))
        assert len(pictures) == usable and bool(list(item.all("span", "no-photo"))) != usable
        for picture in pictures:
            data = base64.b64decode(picture.attributes["src"].partition(",")[2])
            assert max(Image.open(io.BytesIO(data)).size) == 168
            assert picture.attributes["alt"].startswith("Photo: ")
        seen["photo" if usable else "none"] += 1
    assert min(seen.values()) > 0


def test_charts_are_there_and_name_every_model(page: Element) -> None:
    charts = list(page.all("svg"))
    assert [svg.attributes["aria-label"].partition(",")[0] for svg in charts] == [
        "Recall against the share of Exact products",
        "Recall over the cut-off of 3 models",
        "Shares of the four labels by model",
        "Histograms of the number of products shared with the baseline",
        "Over the training steps: loss",
    ]
    for svg in charts[:3]:
        assert all(name in svg.text for name in ("bibert", "cat", "bm25"))
    assert "bibert" in charts[-1].text and "cat" not in charts[-1].text
    assert "No model among the results chose an alpha." in page.text


def test_the_same_inputs_give_the_same_bytes(
    text: str, results: Path, dataset: Dataset, runs: Path, tmp_path: Path
) -> None:
    assert report(results, dataset, tmp_path / "again.html", "--runs", str(runs)) == text


def test_what_is_missing_is_said(results: Path, dataset: Dataset, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    for path in results.glob("cat.*"):
        shutil.copy(path, alone)
    of_clip = json.loads((alone / "cat.json").read_text())
    of_clip["origin"]["clip_captions"] = "purchases"
    (alone / "cat.json").write_text(json.dumps(of_clip))
    constant = json.loads((results / "bibert.json").read_text())
    constant |= {"model": "flat", "degenerate": "all vectors are alike", "recall": None, "recall_at": {}, "labels": {}}
    (alone / "flat.json").write_text(json.dumps(constant | {"files": {}}))
    page = parse(report(alone, dataset, tmp_path / "report.html"))
    for sentence in (
        "No baseline among the results, so there are no differences and no Tables 3 and 4.",
        "Tables 3 and 4 need the baseline and another model that is not degenerate.",
        "None of the bundles has training curves: none were looked for",
        "Panels need the baseline and another model that is not degenerate.",
    ):
        assert sentence in page.text
    assert not list(page.all("article"))
    main = page.by_id("main-table").rows()
    assert main[1] == ["flat", "Degenerate, no result: all vectors are alike"]
    assert main[2][0] == "cat CLIP saw purchases"
    assert "CLIP saw purchases: among the captions that it was trained on are queries" in page.text
    rows = page.by_id("table-2").rows()
    assert ["flat", "Degenerate, no result: all vectors are alike"] in rows
    assert "flat is degenerate: all vectors are alike." in page.text


def test_mistakes_end_in_a_sentence(results: Path, dataset: Dataset, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(results, other)
    changed = json.loads((other / "cat.json").read_text()) | {"dataset_fingerprint": "f" * 64}
    (other / "cat.json").write_text(json.dumps(changed))
    for folder, more, sentence in (
        (tmp_path, [], "holds no results; make some with `evaluation run"),
        (other, [], "cat was evaluated on data set ffffffffffff, but"),
        (results, ["--model", "mlp"], "--model mlp is none of the models that can be shown: cat"),
    ):
        arguments = ["--results", str(folder), "--data", str(dataset.path), "--out", str(tmp_path / "report.html")]
        made = CliRunner().invoke(app, ["report", *arguments, *more])
        assert made.exit_code == 2 and sentence in " ".join(made.output.split()), made.output
    assert not (tmp_path / "report.html").exists()
