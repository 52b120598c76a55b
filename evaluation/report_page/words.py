"""Numbers and names as the page writes them."""

import datetime

from artifacts.judgments import Relevance
from evaluation.results.records import Interval

LABEL_NAMES = {
    Relevance.EXACT.value: "Exact",
    Relevance.SUBSTITUTE.value: "Substitute",
    Relevance.COMPLEMENT.value: "Complement",
    Relevance.IRRELEVANT.value: "Irrelevant",
}
ABSENT = "\u2013"  # an en dash stands where there is no number


def percent(share: float) -> str:
    """A share from 0 to 1 in percent, without the sign: 0.9168 is 91.7."""
    return f"{100 * share:.1f}"


def signed(share: float) -> str:
    """A difference of shares in percentage points, with a true minus: +2.7."""
    return f"{100 * share:+.1f}".replace("-", "\u2212")


def span(low: str, high: str) -> str:
    """An interval of two written numbers."""
    return f"[{low}, {high}]"


def percent_span(interval: Interval) -> str:
    """An interval of shares in percent."""
    return span(percent(interval.low), percent(interval.high))


def day(moment: datetime.datetime) -> str:
    """The day of a moment: 2026-10-01."""
    return f"{moment:%Y-%m-%d}"


def short(fingerprint: str) -> str:
    """The first characters of a fingerprint, enough to tell models and data sets apart."""
    return fingerprint[:12]
