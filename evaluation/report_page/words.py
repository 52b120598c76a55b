"""Formatting of numbers, dates and names on the page."""

import datetime

from artifacts.judgments import Relevance
from evaluation.results.records import Interval

LABEL_NAMES = {
    Relevance.EXACT.value: "Exact",
    Relevance.SUBSTITUTE.value: "Substitute",
    Relevance.COMPLEMENT.value: "Complement",
    Relevance.IRRELEVANT.value: "Irrelevant",
}
ABSENT = "\u2013"  # an en dash, shown instead of a missing number


def percent(share: float) -> str:
    """Format a share from 0 to 1 in percent, without the percent sign: 0.9168 gives 91.7."""
    return f"{100 * share:.1f}"


def signed(share: float) -> str:
    """Format a difference of shares in percentage points, with a typographic minus sign: 0.027 gives +2.7."""
    return f"{100 * share:+.1f}".replace("-", "\u2212")


def span(low: str, high: str) -> str:
    """Format an interval from its two formatted ends."""
    return f"[{low}, {high}]"


def percent_span(interval: Interval) -> str:
    """Format an interval of shares in percent."""
    return span(percent(interval.low), percent(interval.high))


def day(moment: datetime.datetime) -> str:
    """Format the date of a point in time: 2026-10-01."""
    return f"{moment:%Y-%m-%d}"


def short(fingerprint: str) -> str:
    """Return the first characters of a fingerprint, enough to distinguish models and data sets."""
    return fingerprint[:12]
