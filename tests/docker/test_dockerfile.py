"""docker/Dockerfile without an engine: its lint, and which image gets which code."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docker.compose import ROOT, copied, lineage, read_stages

CODE = {
    "service": {"artifacts", "knn", "lexical", "service", "towers"},
    "builder": {"artifacts", "index_builder", "knn", "lexical", "service", "towers"},
    "trainer": {
        *("artifacts", "evaluation", "feeds", "index_builder", "knn", "lexical", "service", "towers", "training"),
        "vitrine",
    },
}


def wheel_code(image: str) -> set[str]:
    """The folders of code in an image's wheel."""
    sources = [source for stage in lineage(f"{image}-wheel") for source in copied(stage)]
    return {source for source in sources if (ROOT / source).is_dir()}


def test_hadolint_finds_nothing() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    checked = subprocess.run([linter, ROOT / "docker" / "Dockerfile"], capture_output=True, text=True)
    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.parametrize("image", CODE)
def test_an_image_has_the_code_that_it_runs_and_no_other(image: str) -> None:
    assert wheel_code(image) == CODE[image]
    assert f"COPY --from={image}-wheel /wheels /wheels" in read_stages()[image][1]


def test_the_trainer_has_all_packages() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    assert wheel_code("trainer") == {package.removesuffix("*") for package in packages}


@pytest.mark.parametrize("stage", [name for name in read_stages() if name.endswith("-packages")])
def test_packages_are_installed_before_code_is_there_and_by_hash(stage: str) -> None:
    assert all(source.startswith("docker/locks/") for above in lineage(stage) for source in copied(above))
    assert any("--require-hashes" in line for line in read_stages()[stage][1])


@pytest.mark.parametrize("image", ["service", "builder", "trainer", "load", "balancer"])
def test_an_image_runs_as_an_ordinary_user(image: str) -> None:
    assert [line for line in read_stages()[image][1] if line.startswith("USER")] == ["USER 10001:10001"]


def test_all_that_is_copied_is_there_and_not_ignored() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = [
        source.replace("${FAISS}", faiss)
        for stage in read_stages()
        for source in copied(stage)
        for faiss in ("cpu", "gpu")
    ]
    assert len(sources) > 10
    for source in sources:
        assert (ROOT / source).exists(), source
        assert {source, *(str(parent) for parent in Path(source).parents)} & allowed, f"{source} is ignored"


def test_scripts_are_shell() -> None:
    for name in ("first-version.sh", "lock.sh", "test.sh"):
        script = ROOT / "docker" / name
        assert os.access(script, os.X_OK)
        assert subprocess.run(["bash", "-n", script], capture_output=True).returncode == 0


def test_without_an_engine_the_test_says_so_and_fails(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "mktemp", "python3"):
        (tools / name).symlink_to(shutil.which(name) or name)
    ran = subprocess.run(
        [ROOT / "docker" / "test.sh"], env={"PATH": str(tools), "TMPDIR": str(tmp_path)}, capture_output=True, text=True
    )
    assert ran.returncode == 1
    assert ran.stderr == "docker/test.sh: FAILED: no Docker engine answers (docker info); nothing was tested\n"
