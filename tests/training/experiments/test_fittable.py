"""What a data set does not allow is told before anything is fitted, and the rest is fitted and evaluated."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

import training.cli
from artifacts.catalog import Catalog
from artifacts.dataset import Dataset, open_dataset
from tests.training.esci.esci_files import plain_esci
from tests.training.small_recipes import small
from training.batches.training_data import TrainingData
from training.errors import ExperimentError
from training.esci.importing import EsciRequest, import_esci
from training.experiments import fittable
from training.experiments.all_rows import ALL_ROWS, Experiments, run_experiments, stages
from training.experiments.fittable import fittable_rows
from training.logs.prepare import prepare
from training.recipes.recipe import Recipe, load_recipe

ROWS = ("bibert", "4tmm-alpha", "3tmm-mlp-sn", "3tmm-history")
NO_HISTORY = (
    "3tmm-history is left out: recipe 3tmm-history adds products' history, but the data set does not say what was "
    "shown; prepare one from a search log with this version of Vitrine."
)
Use = Callable[..., None]


@pytest.fixture
def use(data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Change something of the sample shop's data set."""

    def change(**changes: Any) -> None:
        monkeypatch.setattr(fittable, "data_from_dataset", lambda _: dataclasses.replace(data, **changes))

    return change


def nothing_of(table: pa.Table | None) -> pa.Table:
    assert table is not None
    return table.slice(0, 0)


def without_photos(data: TrainingData) -> Catalog:
    table = data.catalog.table
    place = table.schema.get_field_index("image")
    return Catalog(data.catalog.path, table.set_column(place, "image", pa.nulls(table.num_rows, pa.string())))


def choose(*asked: str) -> fittable.Fittable:
    towers = [load_recipe("bibert"), load_recipe("clip-small")]
    recipes = {row: [load_recipe(row), *(towers if row != "bibert" else ())] for row in ROWS}
    return fittable_rows(recipes, asked, Path("none"))


def test_on_a_whole_data_set_everything_is_fitted_and_nothing_noted(use: Use) -> None:
    use()
    assert choose(*ROWS) == fittable.Fittable(list(ROWS), [])


def test_a_row_without_its_history_is_left_out_with_the_reason_of_its_fit(use: Use) -> None:
    use(shown=None)
    found = choose("bibert", "3tmm-mlp-sn")
    assert found == fittable.Fittable(["bibert", "4tmm-alpha", "3tmm-mlp-sn"], [NO_HISTORY])


def test_a_row_that_was_asked_for_by_name_is_refused(use: Use) -> None:
    use(shown=None)
    with pytest.raises(ExperimentError, match=r"^3tmm-history is not fitted: recipe 3tmm-history adds products'"):
        choose("3tmm-history")


def test_rows_over_a_tower_that_cannot_be_fitted_are_left_out_in_one_sentence(data: TrainingData, use: Use) -> None:
    use(catalog=without_photos(data), train=pa.table({"query": ["a", "b"], "product_id": ["1", "2"]}))
    found = choose()
    assert found.rows == ["bibert"]
    assert found.notes == [
        "4tmm-alpha, 3tmm-mlp-sn, 3tmm-history are left out: recipe clip-small reads photos, and no product of "
        f"{data.catalog.path} has one that can be used: {len(data.catalog)} absent; put the photos beside the "
        "catalogue (docs/data-formats.md), or fit a text tower alone, such as minilm."
    ]


def test_where_no_row_is_left_that_is_an_error(data: TrainingData, use: Use) -> None:
    use(train=nothing_of(data.train))
    with pytest.raises(ExperimentError, match=r"^bibert, 4tmm-alpha are not fitted: recipe bibert needs 2 pairs"):
        choose()


def test_rows_that_lack_seen_negatives_are_fitted_and_named(data: TrainingData, use: Use) -> None:
    use(seen_negatives=nothing_of(data.seen_negatives), shown=nothing_of(data.shown))
    found = choose()
    assert found.rows == ["bibert", "4tmm-alpha", "3tmm-mlp-sn"]
    left_out, without = found.notes
    assert "3tmm-history is left out: recipe 3tmm-history adds products' history, but the data set has no" in left_out
    assert without == "3tmm-mlp-sn is fitted without seen negatives, of which the data set has none."


def test_no_held_out_queries_leave_out_the_rows_that_choose_on_them(data: TrainingData, use: Use) -> None:
    use(validation=nothing_of(data.validation))
    found = choose()
    assert "4tmm-alpha" not in found.rows and "4tmm-alpha is left out: " in found.notes[0]


@pytest.fixture(scope="module")
def esci(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """An import of sixty queries without photos."""
    folder = tmp_path_factory.mktemp("esci")
    _, dataset = import_esci(EsciRequest(plain_esci().write(folder / "esci"), folder / "shop"))
    return dataset


def test_of_an_import_without_photos_the_tables_say_what_is_missing(esci: Dataset, tmp_path: Path) -> None:
    found = {stage.name: stage for stage in stages(Experiments(data=esci.path, out=tmp_path, rows=ALL_ROWS))}
    assert list(found) == ["bibert", "minilm", "evaluation", "report"]
    for name in ("evaluation", "report"):
        photos, *histories = [it for it in found[name].arguments if it.startswith("--note=")]
        assert photos.startswith("--note=clip, 4tmm-cat, ") and "clip-small reads photos, and no product" in photos
        rows = ("4tmm-alpha-history", "3tmm-history", "4tmm-history")
        assert [it.split()[0] for it in histories] == [f"--note={row}" for row in rows]


def test_a_named_row_that_the_data_do_not_allow_ends_the_command_before_the_first_fit(
    esci: Dataset, tmp_path: Path
) -> None:
    command = ["experiments", f"--data={esci.path}", f"--out={tmp_path / 'runs'}"]
    result = CliRunner().invoke(training.cli.app, [*command, "--row=bibert", "--row=3tmm-history"])
    assert result.exit_code == 2 and "3tmm-history is not fitted: recipe" in " ".join(result.output.split())
    assert not (tmp_path / "runs").exists()


def small_rows(folder: Path, *recipes: Recipe) -> tuple[str, ...]:
    """Paths of files of recipes."""
    for recipe in recipes:
        content = recipe.model_dump(mode="json", exclude_none=True)
        (folder / f"{recipe.name}.yaml").write_text(yaml.safe_dump(content))
    return tuple(str(folder / f"{recipe.name}.yaml") for recipe in recipes)


@pytest.mark.integration
def test_an_import_of_esci_is_fitted_and_evaluated_to_the_end(esci: Dataset, tmp_path: Path) -> None:
    rows = small_rows(tmp_path, small("bibert"), small("3tmm-history"))
    clip = tmp_path / "clip"  # is never read
    run_experiments(Experiments(data=esci.path, out=tmp_path / "runs", rows=rows, clip=clip, steps=2))
    results = tmp_path / "runs" / "results"
    assert {path.name for path in results.glob("*.retrieved.parquet")} == {
        f"{name}.retrieved.parquet" for name in ("bibert", "bm25")
    }
    assert f"- {NO_HISTORY}" in (results / "tables.md").read_text()
    assert NO_HISTORY.replace("'", "&#39;") in (tmp_path / "runs" / "report.html").read_text()


@pytest.mark.integration
def test_a_log_of_purchases_alone_is_fitted_and_evaluated_to_the_end(shop: Path, tmp_path: Path) -> None:
    log = pq.read_table(shop / "interactions.parquet")
    pq.write_table(log.filter(pc.equal(log["event"], "purchase")), tmp_path / "purchases.parquet")
    prepare(shop / "catalog.parquet", tmp_path / "purchases.parquet", shop / "judgments.parquet", tmp_path / "data")
    dataset = open_dataset(tmp_path / "data")
    assert len(dataset.seen_negatives) == len(dataset.shown_pairs or ()) == 0
    rows = small_rows(tmp_path, small("bibert", seen_negatives=True), small("3tmm-history"))
    clip = tmp_path / "clip"  # is never read
    run_experiments(Experiments(data=dataset.path, out=tmp_path / "runs", rows=rows, clip=clip, steps=2))
    table = (tmp_path / "runs" / "results" / "tables.md").read_text()
    assert "- 3tmm-history is left out: recipe 3tmm-history adds products' history, but the data set has no" in table
    assert "- bibert is fitted without seen negatives, of which the data set has none." in table
    assert (tmp_path / "runs" / "report.html").is_file()
