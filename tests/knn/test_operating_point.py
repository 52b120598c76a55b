import json
from typing import Any

import pytest

from knn import ArgumentError, OperatingPoint


@pytest.mark.parametrize(
    "point",
    [
        OperatingPoint(),
        OperatingPoint(nprobe=32),
        OperatingPoint(nprobe=8, k_factor=1.5),
        OperatingPoint(k_factor=2.0, ef_search=64),
    ],
)
def test_a_point_survives_json(point: OperatingPoint) -> None:
    assert OperatingPoint.from_dict(json.loads(json.dumps(point.to_dict()))) == point


def test_a_missing_parameter_is_none() -> None:
    assert OperatingPoint.from_dict({"nprobe": 4}) == OperatingPoint(nprobe=4, k_factor=None)


_NPROBE = "nprobe: expected a whole number of at least 1 or None, got"
_EF_SEARCH = "ef_search: expected a whole number of at least 1 or None, got"
_K_FACTOR = "k_factor: expected a finite number of at least 1 or None, got"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nprobe": 0}, f"{_NPROBE} 0"),
        ({"nprobe": 2.0}, f"{_NPROBE} 2.0"),
        ({"nprobe": True}, f"{_NPROBE} True"),
        ({"nprobe": "8"}, f"{_NPROBE} '8'"),
        ({"ef_search": 0}, f"{_EF_SEARCH} 0"),
        ({"ef_search": 64.0}, f"{_EF_SEARCH} 64.0"),
        ({"k_factor": 0.5}, f"{_K_FACTOR} 0.5"),
        ({"k_factor": float("nan")}, f"{_K_FACTOR} nan"),
        ({"k_factor": float("inf")}, f"{_K_FACTOR} inf"),
        ({"ef": 3, "depth": 1}, "operating point: expected nprobe, k_factor and ef_search, got depth, ef"),
    ],
)
def test_bad_points(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        OperatingPoint.from_dict(values)
    assert str(caught.value) == message
