"""Tiny models that the tests of towers share."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from artifacts.bundle import ModelBundle
from tests.support.models import tiny_bundle

Exported = Callable[[str], ModelBundle]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """What is small is fastest with one thread."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Bundles with an exported query side, written once for each composition: do not change their files."""
    bundles: dict[str, ModelBundle] = {}

    def bundle(composition: str) -> ModelBundle:
        if composition not in bundles:
            path: Path = tmp_path_factory.mktemp("bundles") / composition
            bundles[composition] = tiny_bundle(path, composition)
        return bundles[composition]

    return bundle
