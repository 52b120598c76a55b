"""Nights on which photos failed: counted once a day, up to a limit, and forgotten in the end."""

import datetime
from pathlib import Path

import numpy as np
import pytest

from index_builder.embeddings.retries import MAX_NIGHTS, Retries

MONDAY = datetime.date(2026, 11, 30)
KEYS = np.arange(8, dtype=np.uint64).reshape(4, 2)


def after(days: int) -> datetime.date:
    return MONDAY + datetime.timedelta(days=days)


def test_a_photo_is_tried_on_seven_nights_and_no_more(tmp_path: Path) -> None:
    tried = 0
    for night in range(20):
        retries = Retries(tmp_path / "x")
        tried += bool(retries.are_due(KEYS[:1])[0])
        retries.record(KEYS[:1], after(night))
    assert tried == MAX_NIGHTS == 7
    assert Retries(tmp_path / "x").are_due(KEYS).tolist() == [False, True, True, True]


def test_builds_of_one_day_count_as_one_night(tmp_path: Path) -> None:
    for _ in range(20):
        Retries(tmp_path / "x").record(KEYS, MONDAY)
    assert Retries(tmp_path / "x").are_due(KEYS).all()


def test_other_catalogues_keep_their_counts_for_some_time(tmp_path: Path) -> None:
    for night in range(MAX_NIGHTS):
        Retries(tmp_path / "x").record(KEYS, after(night))
    Retries(tmp_path / "x").record(KEYS[2:], after(30))
    assert not Retries(tmp_path / "x").are_due(KEYS).any()
    Retries(tmp_path / "x").record(KEYS[2:], after(80))
    assert Retries(tmp_path / "x").are_due(KEYS).tolist() == [True, True, False, False]


@pytest.mark.parametrize("content", [None, b"damaged"])
def test_a_lost_file_begins_anew(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x").write_bytes(content)
    assert Retries(tmp_path / "x").are_due(KEYS).all()
    Retries(tmp_path / "x").record(KEYS[:0], MONDAY)
    assert (tmp_path / "x").exists() == (content is not None)
