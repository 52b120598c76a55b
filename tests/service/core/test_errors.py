"""The family of error classes."""

import inspect

from service.core import errors
from service.core.errors import (
    DeviceLostError,
    RequestError,
    ServiceError,
    SettingsError,
    UnavailableError,
    leaf_classes,
)

CLASSES = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, ServiceError)]
PARENTS = {ServiceError, RequestError, UnavailableError}


def test_the_leaves_are_all_classes_that_are_no_parents() -> None:
    assert set(leaf_classes(ServiceError)) == set(CLASSES) - PARENTS
    assert set(leaf_classes(ServiceError)) == {
        DeviceLostError, SettingsError, *leaf_classes(RequestError), *leaf_classes(UnavailableError)
    }  # fmt: skip


def test_the_tree_in_the_docstring_is_complete() -> None:
    for error in CLASSES:
        assert error.__name__ in (errors.__doc__ or "")
