"""Reasons that pass, and reasons that last."""

import pyarrow as pa
import pytest

from index_builder.photos.reasons import are_passing


@pytest.mark.parametrize(
    "reason",
    [
        *("unreachable", "timeout", "broken-transfer", "host-down", "unexpected-error"),
        *("status-408", "status-425", "status-429", "status-500", "status-503", "status-522"),
    ],
)
def test_what_may_be_better_tomorrow_passes(reason: str) -> None:
    assert are_passing(pa.array([reason])).to_pylist() == [True]


@pytest.mark.parametrize(
    "reason",
    [
        *("usable", "absent", "status-404", "status-410", "status-403", "status-50", "not-an-image", "unreadable"),
        *("too-large", "bad-url", "address-refused", "missing", "unsupported-format", "redirects"),
    ],
)
def test_what_somebody_must_mend_lasts(reason: str) -> None:
    assert are_passing(pa.array([reason])).to_pylist() == [False]
