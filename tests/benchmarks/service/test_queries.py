"""That queries differ, look like the shop's, and repeat by Zipf's law."""

import json
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.service.queries import shop_queries, write_gets, write_posts, zipf_stream

OWN = ["red mug", "blue  mug ", "large striped cotton shirt", "hat", "", "  ", None, "red mug"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "interactions.parquet"
    pq.write_table(pa.table({"query": OWN, "event": ["click"] * len(OWN)}), path)
    return path


def test_few_queries_are_the_shops_own(log: Path) -> None:
    found = shop_queries(log, 3, seed=0)
    assert len(set(found)) == 3 and set(found) <= {"red mug", "blue mug", "large striped cotton shirt", "hat"}
    assert found == shop_queries(log, 3, seed=0)


def test_many_are_mixed(log: Path) -> None:
    found = shop_queries(log, 9, seed=0)
    assert len(set(found)) == 9 and set(found) > {"red mug", "blue mug", "large striped cotton shirt", "hat"}
    words = {"red", "blue", "mug", "large", "striped", "cotton", "shirt", "hat"}
    assert all(set(text.split()) <= words and 1 <= len(text.split()) <= 4 for text in found)


def test_too_few_to_mix(log: Path) -> None:
    with pytest.raises(ValueError, match=r"4 queries, of which only .* can be mixed"):
        shop_queries(log, 100, seed=0)


def test_the_stream_follows_zipfs_law() -> None:
    stream = zipf_stream(1000, 200_000, seed=0)
    counts = np.bincount(stream, minlength=1000)
    assert len(counts) == 1000 and counts.min() > 0
    whole = sum(1 / place for place in range(1, 1001))
    for place in (1, 2, 3, 10, 100):
        expected = 200_000 / place / whole
        assert counts[place - 1] == pytest.approx(expected, abs=5 * expected**0.5)


def test_requests_as_the_services_are_asked(tmp_path: Path) -> None:
    texts = ['a "b" \\ c', "caf\u00e9 + tea & more"]
    posts, gets = write_posts(tmp_path / "posts", texts), write_gets(tmp_path / "gets", texts)
    assert (posts.count, gets.count, posts.distinct) == (2, 2, True)
    lines = [line.split(" ", 2) for line in posts.path.read_text().splitlines()]
    assert [json.loads(body)["query"] for _, _, body in lines] == texts
    assert Counter(line[:2] == ["POST", "/search"] for line in lines) == {True: 2}
    urls = [line.split(" ") for line in gets.path.read_text().splitlines()]
    asked = [parse_qs(urlsplit(url).query) for _, url in urls]
    assert asked == [{"query": [text], "limit": ["100"]} for text in texts]
