"""The curve over the amount of log: its stages, and all of them on a tiny encoder."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import evaluation.cli
import training.cli
from artifacts.bundle import open_bundle
from artifacts.dataset import Dataset
from tests.training.small_recipes import small
from training.errors import ExperimentError
from training.experiments.curve import Curve, stages
from training.experiments.stages import Stage

APPS = {"training": training.cli.app, "evaluation": evaluation.cli.app}


@pytest.fixture
def curve(dataset: Dataset, tmp_path: Path) -> Curve:
    return Curve(dataset.path, tmp_path / "curve", (100, 0))


def by_name(curve: Curve) -> dict[str, Stage]:
    return {stage.name: stage for stage in stages(curve)}


def test_each_number_of_pairs_has_its_data_its_towers_and_its_row(curve: Curve, dataset: Dataset) -> None:
    found, every = by_name(curve), dataset.card.train.pairs
    towers = ["minilm-100", "clip-towers-100", "3tmm-prior-100"], [f"minilm-{every}", f"clip-towers-{every}"]
    rows = ["3tmm-prior-0", *towers[0], *towers[1], f"3tmm-prior-{every}"]
    assert list(found) == ["data-0", "data-100", "start", *rows, "evaluation", "table"]
    assert found["3tmm-prior-100"].needs == {"data-100", "minilm-100", "clip-towers-100"}
    assert found["3tmm-prior-0"].needs == {"data-0", "start"}  # without pairs the row is over the start, without a CLIP
    assert f"--data={curve.out / 'data-100'}" in found["minilm-100"].arguments
    assert f"--data={dataset.path}" in found[f"minilm-{every}"].arguments and not found[f"minilm-{every}"].needs
    assert found["start"].arguments[2] == "minilm" and found["start"].needs == {"data-0"}
    assert f"--data={dataset.path}" in found["evaluation"].arguments and "--bm25" in found["evaluation"].arguments
    assert found["evaluation"].needs == {*found} - {"evaluation", "table"}


def test_a_given_clip_serves_every_number(curve: Curve, tmp_path: Path) -> None:
    found = by_name(dataclasses.replace(curve, clip=tmp_path / "clip"))
    assert not any(name.startswith("clip-towers") for name in found)
    assert f"--clip={tmp_path / 'clip'}" in found["3tmm-prior-100"].arguments
    assert found["3tmm-prior-100"].needs == {"data-100", "minilm-100"}


def test_steps_are_a_bound(curve: Curve, dataset: Dataset) -> None:
    found = by_name(dataclasses.replace(curve, steps=1))
    assert "--steps=1" in found[f"3tmm-prior-{dataset.card.train.pairs}"].arguments
    assert not any("--steps" in argument for argument in found["3tmm-prior-0"].arguments)
    loose = by_name(dataclasses.replace(curve, steps=10**6))
    assert not any("--steps" in it for stage in loose.values() for it in stage.arguments if "clip" not in stage.name)


def test_impossible_curves_are_refused(curve: Curve) -> None:
    with pytest.raises(ExperimentError, match="ask for no more than these"):
        stages(dataclasses.replace(curve, pairs=(10**9,)))
    with pytest.raises(ExperimentError, match="recipe 3tmm-mlp has no pretrained text tower"):
        stages(dataclasses.replace(curve, recipe="3tmm-mlp"))


@pytest.mark.integration
def test_all_stages_run_and_end_with_the_table(dataset: Dataset, tmp_path: Path) -> None:
    data = shutil.copytree(dataset.path, tmp_path / "data")
    file, out = tmp_path / "minilm.yaml", tmp_path / "curve"
    file.write_text(yaml.safe_dump(small("minilm").model_dump(mode="json", exclude_none=True)))
    curve, every = Curve(data, out, (0, 60), recipe=str(file), steps=2), dataset.card.train.pairs
    for stage in stages(curve):  # as the runner does, but in this process, as processes take longer than the fits
        program, *arguments = stage.arguments
        result = CliRunner().invoke(APPS[program], arguments)
        assert result.exit_code == 0, f"{stage.name}: {result.output} {result.exception}"
        assert stage.output is None or stage.output.exists()
        stage.check()
    table = (out / "curve.md").read_text()
    for name in ("minilm-0", "minilm-60", f"minilm-{every}", "bm25", "start"):
        assert f"| {name} | " in table
    assert "behind bm25" in table and "behind start" in table
    assert open_bundle(out / "minilm-0").card.origin.metrics["start_kept"] == 1.0
    assert (data / "vectors").is_dir()

    other = {stage.name: stage for stage in stages(dataclasses.replace(curve, seed=1))}
    with pytest.raises(ExperimentError, match="data-60 was drawn from other pairs or with another seed"):
        other["data-60"].check()
    with pytest.raises(ExperimentError, match="minilm-60 was fitted with another seed"):
        other["minilm-60"].check()
