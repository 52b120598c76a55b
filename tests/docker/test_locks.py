"""docker/locks: versions with hashes that satisfy pyproject.toml."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docker.compose import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
LOCKED_EXTRAS = {
    "service-cpu": ["cpu"],
    "builder-cpu": ["cpu", "build"],
    "trainer-cpu": ["cpu", "build", "train"],
    "service-gpu": ["gpu"],
    "builder-gpu": ["gpu", "build"],
    "trainer-gpu": ["gpu", "build", "train"],
    "load": ["cpu", "load"],
}


def read_lock(name: str) -> dict[str, str]:
    """Package -> version; every package has a hash."""
    text = (ROOT / "docker" / "locks" / f"{name}.txt").read_text().replace("\\\n", " ")
    locked = {}
    for line in text.splitlines():
        found = re.fullmatch(r"([a-z0-9.-]+)==(\S+)((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*", line)
        assert found is not None, f"{name}: {line[:80]}"
        locked[canonicalize_name(found[1])] = found[2]
    return locked


def requirements(extras: list[str]) -> list[Requirement]:
    """What pyproject.toml wants for these extras, extras within extras resolved."""
    wanted = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    waiting = list(extras)
    while waiting:
        for requirement in map(Requirement, EXTRAS[waiting.pop()]):
            if requirement.name == "vitrine":
                waiting += requirement.extras
            else:
                wanted.append(requirement)
    return wanted


def test_every_lock_is_looked_at() -> None:
    assert {path.stem for path in (ROOT / "docker" / "locks").iterdir()} == {*LOCKED_EXTRAS, "wheel"}


@pytest.mark.parametrize("name", LOCKED_EXTRAS)
def test_a_lock_satisfies_the_project(name: str) -> None:
    locked = read_lock(name)
    unmet = [
        f"{requirement} but {locked.get(canonicalize_name(requirement.name))}"
        for requirement in requirements(LOCKED_EXTRAS[name])
        if not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    ]
    assert unmet == []


@pytest.mark.parametrize("faiss", ["cpu", "gpu"])
def test_images_that_stand_on_each_other_have_the_same_versions(faiss: str) -> None:
    service, builder, trainer = (read_lock(f"{image}-{faiss}") for image in ("service", "builder", "trainer"))
    assert service.items() <= builder.items() <= trainer.items()


def test_the_load_image_stands_on_the_service() -> None:
    assert read_lock("service-cpu").items() <= read_lock("load").items()


def test_the_service_has_no_torch_on_a_cpu() -> None:
    assert not {"torch", "lightning", "ray", "matplotlib", "duckdb"} & read_lock("service-cpu").keys()


def test_the_build_system_is_locked() -> None:
    (wanted,) = map(Requirement, PROJECT["build-system"]["requires"])
    assert wanted.specifier.contains(read_lock("wheel")[wanted.name])
