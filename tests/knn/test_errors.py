import inspect

import pytest

from knn import errors

_CLASSES = [value for value in vars(errors).values() if inspect.isclass(value)]


@pytest.mark.parametrize("error", _CLASSES)
def test_every_error_is_of_the_family_and_in_the_tree(error: type[Exception]) -> None:
    assert issubclass(error, errors.KnnError)
    line = next(line for line in (errors.__doc__ or "").splitlines() if error.__name__ in line)
    assert ("ValueError" in line) == issubclass(error, ValueError)
    assert error.__doc__ and error.__doc__.endswith(".")


def test_the_tree_names_no_error_that_is_not_there() -> None:
    drawn = {word for word in (errors.__doc__ or "").split() if word.endswith("Error")}
    assert drawn == {error.__name__ for error in _CLASSES}
