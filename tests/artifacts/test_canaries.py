"""Canary queries."""

import pytest

from artifacts.canaries import canary_overlaps, check_canaries, overlap
from artifacts.errors import MismatchError
from artifacts.manifest import Canary

TEN = tuple(f"p{number}" for number in range(10))


def canary(query: str, expected: tuple[str, ...] = TEN) -> Canary:
    return Canary(query=query, product_ids=expected)


def test_the_order_among_ten_is_left_free() -> None:
    check_canaries([canary("a")], lambda queries, k: [TEN[::-1]])


def test_a_mean_at_the_threshold_passes() -> None:
    answers = {"a": TEN, "b": (*TEN[:6], "x", "y", "z", "w")}  # 100% and 60%
    mean = check_canaries([canary("a"), canary("b")], lambda queries, k: [answers[query] for query in queries])
    assert mean == 0.8


def test_a_mean_below_it_is_refused_and_names_the_worst() -> None:
    answers = {"a": (*TEN[:9], "x"), "b": (*TEN[:6], "x", "y", "z", "w")}  # 90% and 60%
    with pytest.raises(MismatchError) as caught:
        check_canaries([canary("a"), canary("b")], lambda queries, k: [answers[query] for query in queries])
    assert str(caught.value) == (
        "its canary queries find 75% of the expected products, expected at least 80%; the worst is 'b' with 60%"
    )


def test_only_the_first_ten_count() -> None:
    expected = tuple(f"p{number}" for number in range(100))
    check_canaries([canary("a", expected)], lambda queries, k: [expected[:k]])


def test_a_small_shop_expects_fewer() -> None:
    check_canaries([canary("a", TEN[:3])], lambda queries, k: [TEN[:3]])


def test_nothing_expected_is_nothing_searched() -> None:
    def search(queries: list[str], k: int) -> list[list[str]]:
        raise AssertionError("searched")

    assert check_canaries([canary("a", ())], search) is None
    assert check_canaries([], search) is None


def test_each_canary_has_its_overlap() -> None:
    answers = {"a": TEN, "b": (*TEN[:6], "x", "y"), "c": ()}
    canaries = [canary("a"), canary("b"), canary("c", TEN[:2])]
    assert canary_overlaps(canaries, lambda queries, k: [answers[query] for query in queries]) == [1.0, 0.6, 0.0]


def test_an_overlap_is_a_share_of_what_is_expected() -> None:
    assert overlap(("a", "b", "c", "d"), ("d", "x", "a")) == 0.5
    assert overlap(("d", "x", "a"), ("a", "b", "c", "d")) == 2 / 3
