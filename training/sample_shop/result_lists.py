"""The lists of products that the sessions of the search log are shown.

Every session of a query gets the candidates of the shop's own engine in a slightly different order, as from an engine
that is trained anew or tested now and then, and sees between 9 and 16 of them (SHOWN), or all where there are fewer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.sample_shop.catalogue import Rows
from training.sample_shop.labels import RelevanceRule
from training.sample_shop.queries import QueryLog
from training.sample_shop.search_engine import Candidates

SHOWN = (9, 16)  # fewest and most products shown in a session, if so many match
SHUFFLE = 0.3  # standard deviation of the noise that is added to the scores of the shop's own engine


@dataclass(frozen=True)
class Impressions:
    """The products shown, sorted by session and position."""

    session: Rows
    product: Rows
    grade: NDArray[np.int8]  # relevance for the session's query, as by RelevanceRule.grades
    position: NDArray[np.int64]  # from 1


class Engine(Protocol):
    """A search engine."""

    def search(self, queries: Sequence[str]) -> Iterator[Candidates]:
        """Yield the candidates of each query."""


def show_results(
    engine: Engine, rule: RelevanceRule, log: QueryLog, rng: np.random.Generator, shuffle: float = SHUFFLE
) -> Impressions:
    """Search once for each distinct query, and return what its sessions are shown.

    Args:
        engine: the search engine.
        rule: the relevance rule, for the grades of what is shown.
        log: the queries.
        rng: generator of all random draws.
        shuffle: standard deviation of the noise that is added to the engine's scores, session by session.
    """
    by_query = np.split(
        np.argsort(log.query_of_session, kind="stable"), np.cumsum(np.bincount(log.query_of_session))[:-1]
    )
    parts = [
        _shown(found, rule.grades(intent), sessions, rng, shuffle)
        for found, intent, sessions in zip(engine.search(log.texts), log.intents, by_query, strict=True)
    ]
    session, product, grade, position = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("session", "product", "grade", "position")
    )
    order = np.argsort(session, kind="stable")
    return Impressions(session[order], product[order], grade[order], position[order])


def _shown(
    found: Candidates, grades: NDArray[np.int8], sessions: Rows, rng: np.random.Generator, shuffle: float
) -> Impressions:
    """Return what the sessions of one query are shown, from its candidates and the grades of all products."""
    count = len(found.products)
    order = np.argsort(shuffle * rng.standard_normal((len(sessions), count)) - found.scores, axis=1, kind="stable")
    lengths = np.minimum(rng.integers(SHOWN[0], SHOWN[1] + 1, len(sessions)), count)
    is_shown = np.arange(count) < lengths[:, None]
    product = found.products[order[is_shown]]
    position = np.broadcast_to(np.arange(1, count + 1), order.shape)[is_shown]
    return Impressions(np.repeat(sessions, lengths), product, grades[product], position)
