"""Purchase interest: options, exact millionths, and what is refused."""

import pytest

from artifacts.dataset import PurchaseInterest
from training.errors import LogError
from training.logs.interest import check_interest, interest_of, millionths, weighted_events


def test_a_purchase_weighs_1_unless_it_is_given() -> None:
    assert interest_of([], 1) == PurchaseInterest()
    assert interest_of(["click=0.1"], 2).weights == {"purchase": 1.0, "click": 0.1}
    assert interest_of(["purchase=0", "click=1"], 1).weights == {"purchase": 0.0, "click": 1.0}


def test_weights_are_exact_and_zeros_count_nothing() -> None:
    interest = interest_of(["click=0.1", "impression=0", "purchase=1e-6"], 0.3)
    assert weighted_events(interest) == {"click": 100_000, "purchase": 1}
    assert millionths(interest.threshold) == 3 * 100_000


@pytest.mark.parametrize(
    ("weights", "threshold", "message"),
    [
        (["click"], 1, "--weight is 'click'; expected EVENT=NUMBER, such as click=0.1"),
        (["click=much"], 1, "--weight is 'click=much'; expected EVENT=NUMBER, such as click=0.1"),
        (["click=1", "click=2"], 1, "--weight names 'click' twice"),
        (["view=1"], 1, "--weight names the event 'view'; a log has impression, click, purchase"),
        (["click=-1"], 1, "the weight of 'click' is -1; expected a number of 0 or more, at most 1,000,000"),
        (["click=nan"], 1, "the weight of 'click' is nan; expected a number of 0 or more, at most 1,000,000"),
        (["click=1e9"], 1, "the weight of 'click' is 1e+09; expected a number of 0 or more, at most 1,000,000"),
        (["click=0.0000001"], 1, "the weight of 'click' is 1e-07; expected at most 6 decimals"),
        ([], 0, "--threshold is 0; expected a number above 0, at most 1,000,000"),
        ([], float("inf"), "--threshold is inf; expected a number above 0, at most 1,000,000"),
        (
            ["purchase=0"],
            1,
            "every --weight is 0, so no pair would be a positive; give one event a weight above 0",
        ),
    ],
)
def test_bad_rules_are_refused(weights: list[str], threshold: float, message: str) -> None:
    with pytest.raises(LogError) as caught:
        check_interest(interest_of(weights, threshold))
    assert str(caught.value) == message
