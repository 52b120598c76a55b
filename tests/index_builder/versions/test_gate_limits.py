"""The limits of the gate."""

import dataclasses

import pytest

from index_builder.core.errors import OptionError
from index_builder.versions.gate_limits import GateLimits

NAMES = [field.name for field in dataclasses.fields(GateLimits) if not isinstance(field.default, bool)]


def test_the_usual_limits() -> None:
    assert dataclasses.asdict(GateLimits()) == {
        "least_recall": None,
        "least_strict_recall": None,
        "most_without_photo": 0.5,
        "most_photo_rise": 0.05,
        "most_product_drop": 0.2,
        "least_canary_overlap": 0.6,
        "least_new_model_overlap": 0.15,
        "most_without_title": 0.1,
        "most_vector_similarity": 0.98,
        "new_model": False,
        "new_columns": False,
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [-0.1, 1.1, 50.0, float("nan")])
def test_a_limit_is_a_share(name: str, value: float) -> None:
    with pytest.raises(OptionError) as caught:
        GateLimits(**{name: value})
    assert str(caught.value) == f"{name.replace('_', '-')}: expected a share from 0 to 1, got {value:g}"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_the_ends_are_shares_too(name: str, value: float) -> None:
    assert getattr(GateLimits(**{name: value}), name) == value
