"""All rows in one go: the order of the stages, what is skipped, what is refused, and a real run that is broken off."""

import dataclasses
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml
from typer.testing import CliRunner

import evaluation.cli
import training.cli
from artifacts.bundle import open_bundle
from artifacts.dataset import Dataset
from evaluation.tables.paper import PAPER_TABLE_2
from tests.training.small_fits import Fits
from tests.training.small_recipes import small
from training.errors import ExperimentError
from training.experiments.all_rows import (
    ALL_ROWS,
    DEFAULT,
    PARTS,
    ROWS,
    ROWS_OF_OURS,
    Experiments,
    run_experiments,
    stages,
)
from training.experiments.stages import Stage
from training.recipes.recipe import load_recipe


@pytest.fixture
def experiments(dataset: Dataset, tmp_path: Path) -> Experiments:
    return Experiments(data=dataset.path, out=tmp_path / "runs", judgments=dataset.training_judgments_file)


def names(experiments: Experiments) -> list[str]:
    return [stage.name for stage in stages(experiments)]


def test_the_papers_eleven_rows_are_recipes_that_differ() -> None:
    assert len({load_recipe(row).model_dump_json(exclude={"name"}) for row in ROWS}) == 11


def test_rows_stand_in_the_order_of_the_tables() -> None:
    assert list(ROWS) == list(PAPER_TABLE_2)


def test_towers_come_before_the_rows_that_take_them(experiments: Experiments) -> None:
    order = names(experiments)
    assert order[0] == "clip-towers" and order[1] == "bibert"
    assert set(order) == {"clip-towers", *ROWS, *ROWS_OF_OURS, "annotator", "evaluation", "report"}
    assert order[2:4] == ["minilm", "annotator"] and order[-2:] == ["evaluation", "report"]
    assert order.index("3tmm-prior") > order.index("minilm")


def test_stages_wait_for_what_they_read(experiments: Experiments) -> None:
    needs = {stage.name: stage.needs for stage in stages(experiments)}
    assert needs["clip-towers"] == needs["bibert"] == frozenset()
    assert needs["annotator"] == {"bibert"} and needs["clip"] == {"clip-towers"}
    assert needs["4tmm-cat"] == {"bibert", "clip-towers"}
    assert needs["3tmm-prior"] == {"minilm", "clip-towers"}
    # One row encodes the towers that the others read.
    assert needs["4tmm-alpha"] == needs["3tmm-joint-sn"] == {"bibert", "clip-towers", "4tmm-cat"}
    assert needs["evaluation"] == {"clip-towers", "annotator", *ROWS, *ROWS_OF_OURS} and needs["report"] == {
        "evaluation"
    }


def test_given_clip_towers_are_taken_and_no_small_clip_is_trained(experiments: Experiments, tmp_path: Path) -> None:
    given = Experiments(data=experiments.data, out=experiments.out, rows=("bibert", "4tmm-cat"), clip=tmp_path / "dfn")
    fit = stages(given)[1]
    assert names(given) == ["bibert", "4tmm-cat", "evaluation", "report"]
    assert f"--clip={tmp_path / 'dfn'}" in fit.arguments and f"--bibert={given.out / 'bibert'}" in fit.arguments


def test_text_alone_needs_no_clip(experiments: Experiments) -> None:
    assert names(Experiments(data=experiments.data, out=experiments.out, rows=("bibert",)))[0] == "bibert"


def test_a_clip_of_titles_gives_every_row_with_a_clip_a_second_one_beside_it(experiments: Experiments) -> None:
    both = Experiments(data=experiments.data, out=experiments.out, rows=("bibert", "clip", "4tmm-cat"))
    with_titles = dataclasses.replace(both, clip_of_titles=True)
    of_titles = ["clip-towers-titles", "clip-titles", "4tmm-cat-titles"]
    assert sorted(names(with_titles)) == sorted([*names(both), *of_titles])
    found = {stage.name: stage for stage in stages(with_titles)}
    towers = found["clip-towers-titles"]
    assert towers.arguments[:2] == ("training", "clip") and "--recipe=clip-small-titles" in towers.arguments
    row = found["4tmm-cat-titles"]
    assert row.arguments[2] == "4tmm-cat" and f"--clip={towers.output}" in row.arguments
    assert row.output == both.out / "4tmm-cat-titles" and row.needs == {"bibert", "clip-towers-titles"}
    models = [it.rpartition("/")[2] for it in found["evaluation"].arguments if it.startswith("--model")]
    assert models == ["bibert", "clip", "clip-titles", "4tmm-cat", "4tmm-cat-titles"]
    # A CLIP that is given has no second one of its kind: the titles' CLIP is trained all the same.
    given = dataclasses.replace(with_titles, clip=experiments.out / "dfn")
    assert "clip-towers" not in names(given) and "clip-towers-titles" in names(given)


def differences(name: str, base: str) -> dict[str, object]:
    """The values of a recipe that are not those of another one; a value that it lacks is None."""
    here, there = (_flat(load_recipe(it).model_dump(mode="json", exclude={"name"})) for it in (name, base))
    return {key: here.get(key) for key in here.keys() | there.keys() if here.get(key) != there.get(key)}


def test_parts_of_the_default_are_each_a_row_of_their_own() -> None:
    """Each value in which the default differs from its fusion alone is that of one row, and no row has others."""
    labels, popularity = (differences(f"3tmm-residual-{part}", "3tmm-residual") for part in ("labels", "popularity"))
    bought = differences("3tmm-residual-bought", "3tmm-residual-popularity")
    assert {key.rpartition(".")[0] for key in labels} == {"optimisation.judgments"}
    assert {key.partition(".")[0] for key in popularity} == {"prior"}
    assert {key.partition(".")[0] for key in bought} == {"history"}
    assert labels | popularity | bought == differences(DEFAULT, "3tmm-residual")
    assert load_recipe(DEFAULT).text_tower == load_recipe("3tmm-residual").text_tower == "minilm"


@pytest.mark.parametrize(
    ("name", "base", "keys"),
    [
        ("minilm-as-typed", "minilm", {"reworded_queries"}),
        ("minilm-logged", "minilm", {"catalog_queries"}),
        ("3tmm-mlp-sn", "3tmm-mlp", {"seen_negatives", "seen_negative_weight"}),
        ("3tmm-mlp-logq", "3tmm-mlp", {"popularity"}),
        ("3tmm-mlp-epochs", "3tmm-mlp", {"epochs", "least_steps"}),
    ],
)
def test_a_part_alone_is_all_that_its_row_changes(name: str, base: str, keys: set[str]) -> None:
    assert differences(name, base).keys() == {f"optimisation.{key}" for key in keys}
    assert {name, base} <= {*PARTS}


def test_a_part_that_is_longer_training_trains_as_long_as_the_default() -> None:
    longer, default = (load_recipe(name).optimisation for name in ("3tmm-mlp-epochs", DEFAULT))
    assert longer and default
    assert (longer.epochs, longer.least_steps) == (default.epochs, default.least_steps)


def _flat(content: dict[str, Any], before: str = "") -> dict[str, object]:
    """Keys at every depth, joined by dots, with their values; what is not given has no key."""
    found: dict[str, object] = {}
    for key, value in content.items():
        found |= _flat(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return {key: value for key, value in found.items() if value is not None}


def test_parts_and_titles_are_fitted_only_if_asked_for(
    experiments: Experiments, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Experiments] = []
    monkeypatch.setattr("training.experiments.all_rows.run_experiments", lambda it, jobs: asked.append(it))
    monkeypatch.setattr("training.experiments.stages.describe_times", lambda out: "")
    command = ["experiments", f"--data={experiments.data}", f"--out={experiments.out}"]
    for more in ([], ["--parts", "--clip-of-titles"], ["--row=bibert", "--row=3tmm-mlp-sn", "--parts"]):
        assert CliRunner().invoke(training.cli.app, [*command, *more]).exit_code == 0
    assert [it.clip_of_titles for it in asked] == [False, True, False]
    alone = [part for part in PARTS if part not in ALL_ROWS]
    assert len(alone) == 9 and asked[0].rows == ALL_ROWS and asked[1].rows == (*ALL_ROWS, *alone)
    assert asked[2].rows == ("bibert", "3tmm-mlp-sn", *(part for part in PARTS if part != "3tmm-mlp-sn"))


def test_every_stage_is_a_command_line_that_its_program_takes(experiments: Experiments, tmp_path: Path) -> None:
    everything = Experiments(
        experiments.data,
        experiments.out,
        judgments=tmp_path / "judgments_train.parquet",
        sentence_transformers=(tmp_path / "minilm",),
        clip_of_titles=True,
        steps=3,
    )
    for stage in stages(everything):
        _parse(stage)
        assert not any("--note" in argument for argument in stage.arguments)


def _parse(stage: Stage) -> None:
    """Let the program's own parser read a stage's arguments; it raises on any that it does not know."""
    program, command, *options = (*stage.arguments, *stage.more())
    app = {"training": training.cli.app, "evaluation": evaluation.cli.app}[program]
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group | typer.core.TyperGroup)
    group.commands[command].make_context(command, list(options))


def test_an_annotator_is_used_if_there_is_one_and_else_the_tables_say_so(experiments: Experiments) -> None:
    found = {stage.name: stage for stage in stages(experiments)}
    assert found["annotator"].may_refuse
    note = ("--note=There is no annotator: none could be fitted to judgments_train.parquet.",)
    assert found["evaluation"].more() == found["report"].more() == note
    (experiments.out / "annotator").mkdir(parents=True)
    assert found["evaluation"].more() == (f"--annotator={experiments.out / 'annotator'}",)
    assert found["report"].more() == ()
    without = {stage.name: stage for stage in stages(dataclasses.replace(experiments, judgments=None))}
    assert "annotator" not in without and without["evaluation"].more() == without["report"].more() == ()


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (("4tmm-cat",), "the rows take a fitted text tower: add the row bibert"),
        (("bibert", "bibert"), "rows are told apart by their names, but bibert stands twice"),
    ],
)
def test_impossible_rows_are_refused(experiments: Experiments, rows: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ExperimentError) as refused:
        stages(Experiments(data=experiments.data, out=experiments.out, rows=rows))
    assert str(refused.value) == sentence


WAIT_SECONDS = 240  # a fit takes some of them


def write_small(folder: Path, *names: str) -> list[str]:
    """Files of small recipes, as options of the command."""
    for name in names:
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(small(name).model_dump(mode="json", exclude_none=True)))
    return [f"--row={folder / name}.yaml" for name in names]


def kill_when_it_says(words: str, command: list[str]) -> None:
    """Run a command until it prints these words, then kill it."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        end = threading.Timer(WAIT_SECONDS, process.kill)
        end.start()
        try:
            assert process.stdout is not None
            said = list[str]()
            for line in process.stdout:
                said.append(line)
                if words in line:
                    return
            pytest.fail(f"it ended, or was ended after {WAIT_SECONDS} s, without saying {words!r}: {''.join(said)}")
        finally:
            end.cancel()
            process.kill()


@pytest.mark.integration
def test_a_run_that_is_killed_goes_on_and_ends_with_tables_and_report(shop: Path, fits: Fits, tmp_path: Path) -> None:
    # Without labels of training queries: an annotator takes minutes, and its command is tested for itself.
    shop = shutil.copytree(shop, tmp_path / "shop", ignore=shutil.ignore_patterns("judgments_train.parquet"))
    out, rows = tmp_path / "runs", ("bibert", "3tmm-mlp-sn")
    clip = f"--clip={fits.bundle('clip-small').path}"
    options = [f"--shop={shop}", f"--out={out}", "--steps=2", clip, *write_small(tmp_path, *rows)]
    command = [sys.executable, "-m", "training", "experiments", *options]
    kill_when_it_says("3tmm-mlp-sn: python -m training fit", command)
    untouched = open_bundle(out / "bibert").card.origin.created_at
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_SECONDS)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "bibert: finished before" in finished.stdout
    assert open_bundle(out / "bibert").card.origin.created_at == untouched
    assert {path.stem for path in (out / "results").glob("*.retrieved.parquet")} >= {f"{row}.retrieved" for row in rows}
    assert (out / "results" / "tables.md").is_file() and (out / "report.html").is_file()

    again = CliRunner().invoke(training.cli.app, ["experiments", *options, "--seed=7"])
    assert again.exit_code == 2 and "remove it or choose another --out" in " ".join(again.output.split())
    with pytest.raises(
        ExperimentError, match=r"bibert was fitted with another seed; remove it or choose another --out"
    ):
        run_experiments(Experiments(data=out / "data", out=out, rows=(str(tmp_path / "bibert.yaml"),), seed=7))
