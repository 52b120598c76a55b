"""Purchase interest as whole numbers, so that every backend computes the same sums."""

import math
from collections.abc import Sequence
from decimal import Decimal

from artifacts.dataset import PurchaseInterest
from artifacts.interactions import EVENTS
from training.errors import LogError

DECIMALS = 6  # most decimals of a weight or threshold; ten clicks of 0.1 sum to exactly 1, which floats may miss
LARGEST = 1_000_000  # weighted sums of 10^6 events still fit 64 bits


def interest_of(weights: Sequence[str], threshold: float) -> PurchaseInterest:
    """Return the rule given by options such as `click=0.1`; a purchase weighs 1 unless its weight is given.

    Raises:
        LogError: a weight is not EVENT=NUMBER, or an event is given twice.
    """
    given: dict[str, float] = {}
    for text in weights:
        event, _, number = text.partition("=")
        try:
            weight = float(number)
        except ValueError:
            raise LogError(f"--weight is {text!r}; expected EVENT=NUMBER, such as click=0.1") from None
        if event in given:
            raise LogError(f"--weight names {event!r} twice")
        given[event] = weight
    return PurchaseInterest(weights={"purchase": 1.0} | given, threshold=threshold)


def check_interest(interest: PurchaseInterest) -> None:
    """Refuse a rule that cannot be applied, before a log is read.

    Raises:
        LogError: an unknown event, a weight or threshold out of range or too fine, or no weight above 0.
    """
    for event, weight in interest.weights.items():
        if event not in EVENTS:
            raise LogError(f"--weight names the event {event!r}; a log has {', '.join(EVENTS)}")
        _check_number(f"the weight of {event!r}", weight, "of 0 or more")
    _check_number("--threshold", interest.threshold, "above 0")
    if not weighted_events(interest):
        raise LogError("every --weight is 0, so no pair would be a positive; give one event a weight above 0")


def weighted_events(interest: PurchaseInterest) -> dict[str, int]:
    """Return the events with a weight above 0, with their weights in millionths."""
    return {event: millionths(weight) for event, weight in interest.weights.items() if weight > 0}


def millionths(value: float) -> int:
    """Return a weight or threshold as a whole number of millionths, exact in its decimals."""
    return int(Decimal(str(value)).scaleb(DECIMALS))


def _check_number(name: str, value: float, wanted: str) -> None:
    in_range = math.isfinite(value) and 0 <= value <= LARGEST and (value > 0 or wanted != "above 0")
    if not in_range:
        raise LogError(f"{name} is {value:g}; expected a number {wanted}, at most {LARGEST:,}")
    if Decimal(str(value)).scaleb(DECIMALS) % 1:
        raise LogError(f"{name} is {value!r}; expected at most {DECIMALS} decimals")
