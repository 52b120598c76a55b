"""Tiny models that the tests of towers share."""

from collections.abc import Callable
from functools import cache

import pytest
import torch

from artifacts.bundle import ModelBundle
from tests.support.models import shared_bundle

Exported = Callable[[str], ModelBundle]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """What is small is fastest with one thread."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def exported() -> Exported:
    """Give the bundle of a composition with an exported query side; its files must not be changed."""
    return cache(shared_bundle)
