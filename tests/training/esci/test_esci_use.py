"""What import-esci writes is fitted on and evaluated; what it cannot read is refused in one sentence."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from artifacts.dataset import open_dataset
from evaluation.test_set.test_set import load_test_set
from tests.support.photos import noise
from tests.training.esci.esci_files import plain_esci, write_urls
from tests.training.small_fits import fit_without_export
from tests.training.small_recipes import small
from towers.vector_cache import VectorCache
from training.batches.training_data import data_from_dataset
from training.cli import app
from training.esci.files import EXAMPLES_FILE, PRODUCTS_FILE
from training.fitting.request import FitRequest

pytestmark = pytest.mark.integration

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plain_esci().write(tmp_path_factory.mktemp("esci"))


def test_an_import_is_fitted_on_and_opened_by_evaluation(folder: Path, tmp_path: Path) -> None:
    images = tmp_path / "fetched"
    images.mkdir()
    for number in range(6):
        for place in range(10):
            noise(24, 24, seed=number * 10 + place).save(images / f"B{number}{place}.jpg")
    arguments = ["import-esci", "--esci", str(folder), "--out", str(tmp_path / "shop"), "--images", str(images)]
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "ESCI small, us: 240 examples" in result.output and "Splits of ESCI small, us" in result.output
    assert "60, 0 without title, 60 with a photo" in result.output
    dataset = open_dataset(tmp_path / "shop" / "data")
    data, cache = data_from_dataset(dataset.path), VectorCache(tmp_path / "vectors")
    for name in ("bibert", "clip-small"):
        bundle = fit_without_export(FitRequest(small(name, batch_size=16), data, {}, tmp_path / name, cache, steps=3))
        assert bundle.card.origin.dataset_fingerprint == dataset.fingerprint
    test_set = load_test_set(dataset)
    catalog = dataset.catalog()
    assert len(test_set.queries) == 12 and len(test_set.catalog) == 60
    for query, rows in zip(test_set.queries, test_set.bought, strict=True):
        thing, colour = query.split(" in ")
        assert [catalog.titles[row] for row in rows] == [f"{colour} {thing}"]
    labels = test_set.labels
    assert labels is not None and not labels.complete and labels.judged.all()
    everything = labels.labels(np.tile(np.arange(60), (12, 1)))
    assert [(everything == code).sum() for code in (0, 1, 2, 3, -1)] == [12, 12, 12, 12, 12 * 56]


def set_column(file: str, name: str, value: object, row: int = 0) -> Callable[[Path], None]:
    """A fault: one value of a column of a Parquet file."""

    def apply(folder: Path) -> None:
        table = pq.read_table(folder / file)
        values = table[name].to_pylist()
        values[row] = value
        column = table.schema.get_field_index(name)
        pq.write_table(table.set_column(column, name, pa.array(values, table.schema.field(name).type)), folder / file)

    return apply


def without(file: str, *names: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        pq.write_table(pq.read_table(folder / file).drop(list(names)), folder / file)

    return apply


def as_text(folder: Path) -> None:
    table = pq.read_table(folder / EXAMPLES_FILE)
    column = table.schema.get_field_index("query_id")
    pq.write_table(table.set_column(column, "query_id", table["query_id"].cast(pa.string())), folder / EXAMPLES_FILE)


def twice(folder: Path) -> None:
    table = pq.read_table(folder / PRODUCTS_FILE)
    pq.write_table(pa.concat_tables([table, table.slice(0, 2)]), folder / PRODUCTS_FILE)


def no_test_split(folder: Path) -> None:
    table = pq.read_table(folder / EXAMPLES_FILE)
    pq.write_table(table.filter(pc.field("split") == "train"), folder / EXAMPLES_FILE)


def pointer(folder: Path) -> None:
    (folder / PRODUCTS_FILE).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


def no_urls(folder: Path) -> None:
    (write_urls(folder / "sqid", {}, {}) / "product_image_urls.csv").unlink()


def other_urls(folder: Path) -> None:
    write_urls(folder / "sqid", {"B00": "https://x/0.jpg"}, {})
    pacsv.write_csv(pa.table({"product_id": ["B00"], "url": ["x"]}), folder / "sqid" / "product_image_urls.csv")


def no_images(folder: Path) -> None:
    (folder / "photos").mkdir()


SQID, IMAGES = ["--sqid", "{esci}/sqid"], ["--images", "{esci}/photos"]


@pytest.mark.parametrize(
    ("fault", "options", "sentence"),
    [
        (lambda folder: (folder / EXAMPLES_FILE).unlink(), [], f"{EXAMPLES_FILE} is missing"),
        (pointer, [], f"{PRODUCTS_FILE} is a Git LFS pointer, not the data; run `git lfs pull` in its repository"),
        (without(EXAMPLES_FILE, "esci_label", "split"), [], f"{EXAMPLES_FILE} lacks the columns esci_label, split"),
        (without(PRODUCTS_FILE, "product_brand"), [], f"{PRODUCTS_FILE} lacks the column product_brand"),
        (as_text, [], f"{EXAMPLES_FILE}: column query_id is string, expected int64"),
        (
            set_column(EXAMPLES_FILE, "esci_label", "X"),
            [],
            f"{EXAMPLES_FILE}: column esci_label holds 'X', expected one of E, S, C, I",
        ),
        (set_column(EXAMPLES_FILE, "esci_label", None), [], "column esci_label holds None, expected one of E, S, C, I"),
        (set_column(EXAMPLES_FILE, "split", "dev"), [], "column split holds 'dev', expected one of train, test"),
        (set_column(EXAMPLES_FILE, "large_version", 2), [], "column large_version holds 2, expected one of 0, 1"),
        (
            twice,
            [],
            f"{PRODUCTS_FILE}: 2 pairs of product_locale and product_id occur more than once, such as us-B00, us-B01;",
        ),
        (no_test_split, [], "has no usable Exact example of the test split for us in its small version"),
        (None, ["--locale", "us", "--locale", "jp"], "no example of the locale jp in its small version; it has us"),
        (None, ["--locale", "es", "--sqid", "{esci}"], "SQID's photos are of the locale us, but the import is of es"),
        (no_urls, SQID, "product_image_urls.csv is missing; --sqid is the folder `sqid` of SQID's repository"),
        (other_urls, SQID, "product_image_urls.csv lacks the column image_url; it has product_id, url"),
        (None, IMAGES, "photos is no folder; --images is one that holds photos named PRODUCT_ID.jpg"),
        (no_images, IMAGES, "photos holds no photo named PRODUCT_ID with one of .jpg, .jpeg, .png, .webp"),
    ],
)
def test_mistakes_end_in_a_sentence_and_write_nothing(
    fault: Callable[[Path], None] | None, options: list[str], sentence: str, folder: Path, tmp_path: Path
) -> None:
    esci = shutil.copytree(folder, tmp_path / "esci")
    if fault:
        fault(esci)
    chosen = [option.format(esci=esci) for option in options]
    result = RUNNER.invoke(app, ["import-esci", "--esci", str(esci), "--out", str(tmp_path / "out"), *chosen])
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split()) and "Traceback" not in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["esci"]


def test_what_is_there_is_kept(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("mine")
    result = RUNNER.invoke(app, ["import-esci", "--esci", str(folder), "--out", str(tmp_path)])
    assert result.exit_code == 2 and "exists already" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["note"]
