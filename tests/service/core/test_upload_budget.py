"""Uploads are bounded together, and count until they are answered."""

import pytest

from service.core.errors import OverloadedError
from service.core.upload_budget import UploadBudget


def test_uploads_are_bounded_together() -> None:
    budget = UploadBudget(10_000_000)
    with budget.reserve(6_000_000):
        with budget.reserve(4_000_000), pytest.raises(OverloadedError) as caught, budget.reserve(1):
            pass
        words = "uploads with 10.0 of 10 MB are under way already; try again in a moment"
        assert str(caught.value) == words
        with pytest.raises(ValueError, match="a failed one"), budget.reserve(4_000_000):
            raise ValueError("a failed one")
        with budget.reserve(4_000_000):
            pass
    with budget.reserve(10_000_000):
        pass
