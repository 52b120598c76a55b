"""One model is the default wherever there is one: `make`, the containers, the benchmarks, the documentation."""

import re
import subprocess
from pathlib import Path

import pytest

from training.experiments.all_rows import DEFAULT, ROWS_OF_OURS
from training.recipes.recipe import load_recipe
from vitrine.steps.towers import TEXT_RECIPE

ROOT = Path(__file__).parents[1]
# Whether a model that these files fit, build, measure or serve is another one is a matter of a word.
NAMED = {
    "Makefile": r"^MODEL := (\S+)$",
    "vitrine/steps/plan.py": r'^MODEL = "(\S+)"',
    "docker/first-version.sh": r"([34]tmm-[\w-]+)",
    "docker/test.sh": r"([34]tmm-[\w-]+)",
    "docs/operations.md": r"--bundle /\w+/(\S+)",
    "docs/index-builder.md": r"--bundle work/(\S+)",
    "README.md": r"(?:training fit |--bundle work/|(?:--out|--model) work/)(\w+-\S+)",
    "benchmarks/common/demo.py": r"var/demo/(\w+-[\w-]+)",
}


def default_model() -> str:
    (name,) = re.findall(NAMED["Makefile"], (ROOT / "Makefile").read_text(), re.MULTILINE)
    return str(name)


def test_the_default_is_a_row_of_ours_whose_queries_need_one_tower() -> None:
    assert default_model() == DEFAULT and DEFAULT in ROWS_OF_OURS and load_recipe(DEFAULT).query.towers == ("bibert",)


@pytest.mark.parametrize("name", ["docker/first-version.sh", "README.md"])
def test_it_gets_the_text_tower_that_its_recipe_names(name: str) -> None:
    fits = re.findall(r"--bibert (?:work/)?(\S+) --clip", (ROOT / name).read_text())
    assert {*fits} == {load_recipe(DEFAULT).text_tower}


@pytest.mark.parametrize("name", NAMED)
def test_every_file_names_the_default_alone(name: str) -> None:
    named = re.findall(NAMED[name], (ROOT / name).read_text(), re.MULTILINE)
    assert named and set(named) == {default_model()}


def test_make_demo_and_make_smoke_make_it_of_the_sample_shop() -> None:
    command = ["make", "--dry-run", "--always-make", "--no-print-directory", "demo", "smoke"]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line for line in planned.splitlines() if "vitrine up" in line] == [
        ".venv/bin/vitrine up --sample --out var/demo --port 8000",
        ".venv/bin/vitrine up --sample --products 300 --steps 10 --out var/smoke --port 8000 --until self-test",
    ]
    assert load_recipe(DEFAULT).text_tower == TEXT_RECIPE
