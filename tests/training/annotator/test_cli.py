"""The command `training annotator`."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.annotators import write_world
from tests.support.models import tiny_bundle
from training.cli import app

RUNNER = CliRunner()


def arguments(folder: Path, *more: str) -> list[str]:
    tables = ["--judgments", str(folder / "judgments.parquet"), "--catalog", str(folder / "catalog.parquet")]
    return ["annotator", *tables, "--out", str(folder / "annotator"), *more]


@pytest.mark.integration
def test_it_fits_and_prints_the_tables(tmp_path: Path) -> None:
    write_world(tmp_path)
    tiny_bundle(tmp_path / "bibert", "bibert", export=False)
    more = ["--bibert", str(tmp_path / "bibert"), "--attributes", "kind", "--precision", "0", "--steps", "2"]
    result = RUNNER.invoke(app, arguments(tmp_path, *more))
    assert result.exit_code == 0, result.output
    assert "on the pairs that it labels:" in result.output
    assert (tmp_path / "annotator" / "annotator.json").is_file()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--attributes", "gender"], "lacks the attribute column gender"),
        (["--bibert", "nowhere"], "Error: nowhere is no model bundle"),
        (["--precision", "1.5"], "should be less than or equal to 1"),
        ([], "Error: the judgments hold no Irrelevant pairs"),
    ],
)
def test_mistakes_end_in_a_sentence(more: list[str], sentence: str, tmp_path: Path) -> None:
    write_world(tmp_path, without="" if more else "I", absent="I")
    result = RUNNER.invoke(app, arguments(tmp_path, *more))
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert not (tmp_path / "annotator").exists()


def test_missing_judgments_are_named(tmp_path: Path) -> None:
    write_world(tmp_path)
    (tmp_path / "judgments.parquet").unlink()
    result = RUNNER.invoke(app, arguments(tmp_path))
    assert result.exit_code == 2 and "judgments.parquet is missing" in result.output
