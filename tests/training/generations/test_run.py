"""Generations one after another: their command lines, and two real ones that are broken off and go on."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

import evaluation.cli
import training.cli
from artifacts.bundle import open_bundle
from artifacts.catalog import read_catalog
from artifacts.dataset import Dataset, open_dataset
from tests.training.small_recipes import small
from training.errors import ExperimentError
from training.experiments.stages import Stage
from training.generations import run
from training.generations.log_record import LOG_FILE, read_log
from training.generations.model_engine import ModelEngine
from training.generations.run import Generations, fit_stages, run_generations, settings_of
from training.recipes.recipe import load_recipe
from training.sample_shop.search_engine import CANDIDATES


def test_every_generation_fits_the_towers_and_the_model_on_its_own_log(dataset: Dataset, tmp_path: Path) -> None:
    settings = settings_of("3tmm-prior", 240, 3, 0.7, 80, None)
    generations = Generations(tmp_path, settings, count=2)
    data = shutil.copytree(dataset.path, tmp_path / "generation-2" / "data")
    clip, tower, model = fit_stages(generations, 2)
    assert [clip.name, tower.name, model.name] == ["clip-towers", "minilm", "generation-2"]
    folder = tmp_path / "generation-2"
    assert [stage.output for stage in (clip, tower, model)] == [folder / it.name for it in (clip, tower, model)]
    for stage in (clip, tower, model):
        assert {f"--data={data}", "--seed=3"} <= {*stage.arguments}
    assert clip.arguments[-1] == tower.arguments[-1] == "--steps=80"
    assert not any(argument.startswith("--steps") for argument in model.arguments)
    assert {f"--bibert={tower.output}", f"--clip={clip.output}"} <= {*model.arguments}
    assert model.needs == {"minilm", "clip-towers"}
    assert load_recipe(model.arguments[2]) == settings.recipe.model_copy(update={"name": "generation-2"})
    assert load_recipe(tower.arguments[2]) == load_recipe("minilm")


def test_the_first_generation_again_has_another_seed_and_the_same_data(dataset: Dataset, tmp_path: Path) -> None:
    generations = Generations(tmp_path, settings_of("bibert", 240, 3, 0.7, None, None), count=1, again=True)
    data = shutil.copytree(dataset.path, tmp_path / "generation-1" / "data")
    (stage,) = fit_stages(generations, 1, again=True)
    assert stage.output == tmp_path / "generation-1-again" / "generation-1-again"
    assert {f"--data={data}", "--seed=4"} <= {*stage.arguments}
    assert f"--model={stage.output}" in run.evaluation_stage(generations).arguments


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stages run in this process by their programs' command lines; gives the names of those that ran."""
    names: list[str] = []

    def run_stages(todo: Sequence[Stage], out: Path, jobs: int = 1) -> None:
        for stage in todo:
            if stage.output is not None and stage.output.exists():
                stage.check()
                continue
            app = {"training": training.cli.app, "evaluation": evaluation.cli.app}[stage.arguments[0]]
            done = CliRunner().invoke(app, [*stage.arguments[1:], *stage.more()])
            assert done.exit_code == 0, done.output
            names.append(f"{out.name} {stage.name}" if out.name.startswith("generation") else stage.name)

    monkeypatch.setattr(run, "run_stages", run_stages)
    return names


@pytest.mark.integration
def test_two_generations_go_on_after_the_first_and_end_with_tables_and_curve(
    shop: Path, tmp_path: Path, ran: list[str]
) -> None:
    recipe = {**small("bibert").model_dump(mode="json", exclude_none=True), "history": {"weight": 0.6}}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(recipe))
    out = tmp_path / "work"
    shutil.copytree(shop, out / "shop")
    settings = settings_of(str(tmp_path / "tiny.yaml"), 240, 3, 0.7, None, 3)
    run_generations(Generations(out, settings, count=1))
    assert ran == [*(f"generation-1 {name}" for name in ("log", "data", "generation-1")), "evaluation"]
    first = open_bundle(out / "generation-1" / "generation-1")

    ran.clear()
    command = ["generations", f"--out={out}", f"--recipe={tmp_path / 'tiny.yaml'}", "--products=240", "--seed=3"]
    done = CliRunner().invoke(training.cli.app, [*command, "--generations=2", "--tower-steps=0", "--steps=3"])
    assert done.exit_code == 0, done.output
    assert ran == [*(f"generation-2 {name}" for name in ("log", "data", "generation-2")), "evaluation"]
    assert open_bundle(first.path).card.origin.created_at == first.card.origin.created_at
    assert read_log(out / "generation-2" / "log").engine == first.fingerprint

    found = pq.read_table(out / "results" / "generation-1.retrieved.parquet").slice(0, 20)
    answers = ModelEngine(first, read_catalog(shop / "catalog.parquet")).search(found["query"].to_pylist())
    assert [it.products.tolist() for it in answers] == [rows[:CANDIDATES] for rows in found["rows"].to_pylist()]

    data = [open_dataset(out / f"generation-{number}" / "data") for number in (1, 2)]
    assert data[0].evaluation_pairs.equals(data[1].evaluation_pairs)
    assert not data[0].train_pairs.equals(data[1].train_pairs)
    tables = (out / "generations.md").read_text()
    assert "| generation-2 |" in tables and f"model {first.fingerprint[:12]}" in tables
    assert tables.splitlines()[2] in " ".join(done.output.split())
    assert (out / "generations.svg").read_bytes().startswith(b"<?xml")

    refused = CliRunner().invoke(training.cli.app, [*command, "--from-list=0.5", "--tower-steps=0", "--steps=3"])
    assert refused.exit_code == 2
    assert "holds generations with other from_list; choose another --out" in " ".join(refused.output.split())
    card = out / "generation-2" / "log" / LOG_FILE
    card.write_text(card.read_text().replace(first.fingerprint, "0" * 64))
    with pytest.raises(ExperimentError, match="was shown by another model than generation-1; remove it"):
        run_generations(Generations(out, settings, count=2))
