"""The command line: every command has help, and mistakes end in one sentence."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from artifacts.bundle import EncoderChoice
from artifacts.dataset import Dataset
from tests.support.folders import write_hollow_bundle
from training.cli import app
from training.fitting.cli import report_bundle

RUNNER = CliRunner()


@pytest.mark.parametrize(
    "command",
    [
        "sample-shop",
        "prepare",
        "import-esci",
        "clip",
        "fit",
        "add-photo-encoder",
        "annotator",
        "recipes",
        "generations",
        "generation-log",
    ],
)
def test_every_command_has_help(command: str) -> None:
    result = RUNNER.invoke(app, [command, "--help"])
    assert result.exit_code == 0 and "Usage" in result.output


def test_a_fit_ends_with_which_query_encoder_is_shipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_hollow_bundle(tmp_path / "bundle", "bibert")
    report_bundle(bundle)
    before = capsys.readouterr().out
    assert before.startswith(f"{bundle.path}: ") and "query encoder" not in before
    card = bundle.card.model_copy(update={"query_encoder": EncoderChoice(precision="int8", reason="it passes")})
    report_bundle(replace(bundle, card=card))
    assert capsys.readouterr().out == f"{before}query encoder for CPUs: int8, it passes\n"


def test_recipes_are_listed_with_what_they_are() -> None:
    lines = RUNNER.invoke(app, ["recipes"]).output.splitlines()
    assert any(line.startswith("4tmm-cat") and "Eq. 3" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fit", "4tmm", "--data", "{data}", "--out", "{out}"], "Error: no recipe is called '4tmm'"),
        (["fit", "bibert", "--data", "nowhere", "--out", "{out}"], "Error: nowhere is no data set"),
        (["fit", "4tmm-cat", "--data", "{data}", "--out", "{out}"], "give its bundle with --bibert"),
        (["fit", "4tmm-cat", "--data", "{data}", "--out", "{out}", "--clip", "{data}"], "is no model bundle"),
        (["prepare", "--shop", "nowhere", "--out", "{out}"], "catalog.parquet is missing"),
        (["prepare", "--shop", "{shop}", "--out", "{data}"], "exists already"),
        (["prepare", "--shop", "{shop}", "--out", "{out}", "--weight", "view=1"], "--weight names the event 'view'"),
        (["prepare", "--shop", "{shop}", "--out", "{out}", "--connection", "duckdb://"], "needs --interactions"),
        (
            ["prepare", "--shop", "{shop}", "--out", "{out}", "--connection", "bigquery://p", "--interactions", "t"],
            "Error: --connection bigquery:// needs a driver that is missing",
        ),
        (["sample-shop", "--out", "{out}", "--products", "3"], "Error: A sample shop cannot have 3 products"),
        (["add-photo-encoder", "{data}", "--out", "{out}"], "is no model bundle"),
        (["clip", "--out", "{out}"], "give --data or --catalog, one of them"),
        (
            ["clip", "--out", "{out}", "--data", "{data}", "--architecture", "RN7", "--pretrained", "openai"],
            "Error: 'RN7' is no CLIP architecture that open_clip knows",
        ),
    ],
)
def test_mistakes_end_in_a_sentence(
    arguments: list[str], sentence: str, shop: Path, dataset: Dataset, tmp_path: Path
) -> None:
    places = {"data": dataset.path, "shop": shop, "out": tmp_path / "out"}
    result = RUNNER.invoke(app, [argument.format(**places) for argument in arguments])
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.integration
def test_the_module_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training", "prepare", "--shop", str(tmp_path), "--out", str(tmp_path / "o")]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert finished.stderr.startswith("Error: ") and "Traceback" not in finished.stderr
