"""The popularity of products as a coordinate of their vectors (artifacts/popularity.py), chosen after the fit.

With n the number of purchases of a product in the training window, a product's prior is

    g = b (max(z, f) - mean),    z = (log(1 + n) - its mean) / its deviation over the products that were bought

b, the weight, and f, the floor, a quantile of z over these products, come from grids. The floor is the estimate for
products that were never bought, which are new as a rule, and smooths the few purchases of others. Among the choices
that cost products with FEW_PURCHASES or fewer no more than the recipe allows, the best is that with the highest recall
of purchases for queries that training never saw; of those that are as good within one standard error, that with the
lowest weight, since purchases do not see what popularity costs in relevance. Where labels were held back from the fit,
choices that cost more of their order than the recipe allows are left out (label_order.py).

A gate (gate.py) decides whether there is a prior at all; there each query is served with b and f chosen on the other
folds. By the same rule a weight that depends on the query (popularity_weight.py) must win against one that does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from artifacts.bundle import PriorChoice, PriorComparison, RecallComparison, RecallOfGroup
from artifacts.popularity import MOST_REACH
from towers.query_encoder import Vectors
from training.after_fit.gate import DEPTH, FIRST_DEPTH, compare, describe, wins
from training.after_fit.label_order import OrderLimit
from training.after_fit.paired import is_within_one_error
from training.after_fit.popularity_weight import Derivatives, QueryWeight, constant_weight, fit_weight
from training.after_fit.purchase_places import HeldOutPurchases, Rows, Scoring, purchase_places

FEW_PURCHASES = 3
GROUPS: tuple[tuple[int, int | None], ...] = ((0, 0), (1, 3), (4, 20), (21, None))  # purchases in training
FOLDS = 5
MOST_QUERIES = 1000


@dataclass(frozen=True)
class PriorSettings:
    """What the choice is made from.

    Attributes:
        weights: the b to choose from.
        floors: the f to choose from, as quantiles of the products that were bought.
        most_loss: by how many points the recall of purchases of products with few purchases may fall.
        limit: the largest weight that a query may give to popularity; 1 or more.
        by_query: whether the weight may depend on the query.
        temperature: of the softmax to which the weight by query is fitted.
        most_order_loss: by how many points the order of judged products may fall, where some were held back.
    """

    weights: Sequence[float]
    floors: Sequence[float]
    most_loss: float
    limit: float
    by_query: bool
    temperature: float
    most_order_loss: float = 0.1


@dataclass(frozen=True, eq=False)
class ChosenPrior:
    """The popularity of products, as a model gets it.

    Attributes:
        values: (n,) the prior of each product of the catalogue.
        estimate: that of all other products.
        reach: the largest absolute prior, above 0.
        weight: what queries give to it.
    """

    values: Vectors
    estimate: float
    reach: float
    weight: QueryWeight


def choose_prior(
    held_out: HeldOutPurchases, settings: PriorSettings, limit: OrderLimit | None = None
) -> tuple[PriorChoice, ChosenPrior | None]:
    """Choose the popularity of products on held-out purchases; None, and the reason, where it does not win.

    Args:
        held_out: enough queries (gate.py), and purchases; at most MOST_QUERIES, evenly spaced, are used.
        settings: what to choose from.
        limit: how much of the order of judged products popularity may cost; None without labels.
    """
    sold = held_out.sold
    if len(np.unique(sold[sold > 0])) < 2:
        reason = "in the training window no product was bought more often than another"
        return PriorChoice(kept=False, reason=reason), None
    held_out = held_out.only(np.arange(0, len(held_out.bought), -(-len(held_out.bought) // MOST_QUERIES)))
    return _Choice(held_out, settings, limit).make()


def product_priors(sold: Rows, weight: float, floor: float) -> tuple[Vectors, float]:
    """Return the prior of each product, (n,), and the estimate for others.

    Args:
        sold: (n,) purchases in the training window, of at least two products and not equally many.
        weight: b.
        floor: f, as a quantile.
    """
    logarithms = np.log1p(sold.astype(np.float64))
    bought = logarithms[sold > 0]
    scaled = (logarithms - bought.mean()) / bought.std()
    least = np.quantile(scaled[sold > 0], floor)
    raised = np.maximum(scaled, least)
    middle = raised.mean()
    values = np.clip(weight * (raised - middle), -MOST_REACH, MOST_REACH).astype(np.float32)
    return values, float(np.float32(np.clip(weight * (least - middle), -MOST_REACH, MOST_REACH)))


@dataclass(frozen=True, eq=False)
class _Tried:
    """One choice of b and f, and the places of all purchases with it."""

    weight: float
    floor: float
    places: Rows


class _Choice:
    """The choice on one set of held-out purchases."""

    def __init__(self, held_out: HeldOutPurchases, settings: PriorSettings, limit: OrderLimit | None) -> None:
        self._held_out = held_out
        self._limit = limit
        self._settings = settings
        self._fold_of = np.arange(len(held_out.bought)) % FOLDS
        grid = [(0.0, 0.0), *product(settings.weights, settings.floors)]
        weights = constant_weight(held_out.queries.shape[1], settings.limit).of(held_out.queries)
        places = purchase_places(held_out, [self._scoring(*pair, weights) for pair in grid])
        self._without, *tried = [_Tried(*pair, of_pair) for pair, of_pair in zip(grid, places, strict=True)]
        same = constant_weight(held_out.queries.shape[1], settings.limit)
        self._tried = [one for one in tried if self._keeps_order(one, same)]

    def make(self) -> tuple[PriorChoice, ChosenPrior | None]:
        """Choose on all queries, judge by the queries of each fold, and decide."""
        chosen = self._best(np.ones(len(self._fold_of), np.bool_))
        by_fold = [self._best(self._fold_of != fold) for fold in range(FOLDS)]
        places = self._join([tried.places for tried in by_fold])
        weight = constant_weight(self._held_out.queries.shape[1], self._settings.limit)
        if self._settings.by_query and chosen.weight:
            by_query, its_places = self._by_query(chosen, by_fold)
            few_lose_little = self._loss(its_places) <= self._settings.most_loss
            if few_lose_little and wins(self._gain(its_places, places)) and self._keeps_order(chosen, by_query):
                weight, places = by_query, its_places
        comparison = self._compare(chosen, weight, places)
        if chosen.weight == 0 or not wins(comparison):
            return PriorChoice(kept=False, reason=_reason(comparison, self._settings), comparison=comparison), None
        values, estimate = product_priors(self._held_out.sold, chosen.weight, chosen.floor)
        reach = float(np.abs(np.append(values, np.float32(estimate))).max())
        kept = PriorChoice(kept=True, reason=_reason(comparison, self._settings), comparison=comparison)
        return kept, ChosenPrior(values, estimate, reach, weight)

    def _best(self, queries: npt.NDArray[np.bool_]) -> _Tried:
        """Return the best choice on some of the queries."""
        allowed = [tried for tried in self._tried if self._loss(tried.places, queries) <= self._settings.most_loss]
        recalls = {tried: self._held_out.recalls(tried.places, DEPTH)[queries] for tried in (self._without, *allowed)}
        best = max(recalls, key=lambda tried: float(recalls[tried].mean()))
        as_good = [tried for tried in recalls if is_within_one_error(recalls[best] - recalls[tried])]
        return min(as_good, key=lambda tried: (tried.weight, -recalls[tried].mean()))

    def _by_query(self, chosen: _Tried, by_fold: Sequence[_Tried]) -> tuple[QueryWeight, Rows]:
        """Fit the weight by query; return it, and the places of purchases with that of the other folds."""
        held_out, settings = self._held_out, self._settings
        priors, _ = product_priors(held_out.sold, max(settings.weights), chosen.floor)
        derivatives = Derivatives.of(held_out, priors, settings.temperature, settings.limit)
        scorings = []
        for fold, tried in enumerate(by_fold):
            fitted = fit_weight(held_out.queries, derivatives, np.flatnonzero(self._fold_of != fold))
            scorings.append(self._scoring(tried.weight, tried.floor, fitted.of(held_out.queries)))
        everywhere = fit_weight(held_out.queries, derivatives, np.arange(len(self._fold_of)))
        return everywhere, self._join(purchase_places(held_out, scorings))

    def _keeps_order(self, tried: _Tried, weight: QueryWeight) -> bool:
        """Return whether a choice costs no more of the order of judged products than is allowed."""
        return self._limit is None or self._limit.allows(self._scoring_of_labels(tried, weight))

    def _scoring_of_labels(self, tried: _Tried, weight: QueryWeight) -> Scoring:
        assert self._limit is not None
        return self._scoring(tried.weight, tried.floor, weight.of(self._limit.order.queries))

    def _scoring(self, weight: float, floor: float, weights: Vectors) -> Scoring:
        """Return what a choice adds to cosines, by the formula of scores in artifacts/popularity.py."""
        values, estimate = product_priors(self._held_out.sold, weight, floor)
        reach = max(abs(estimate), float(np.abs(values).max()))
        return Scoring(values / np.float32(np.sqrt(1 - reach**2)), weights)

    def _join(self, by_fold: Sequence[Rows]) -> Rows:
        """Return the places of purchases, each of those that belong to the fold of its query."""
        return np.stack(by_fold)[self._fold_of[self._held_out.query_of], np.arange(len(self._held_out.query_of))]

    def _gain(self, places: Rows, before: Rows) -> RecallComparison:
        first, deep = ([self._held_out.recalls(it, depth) for it in (before, places)] for depth in (FIRST_DEPTH, DEPTH))
        return compare((first[0], deep[0]), (first[1], deep[1]))

    def _loss(self, places: Rows, queries: npt.NDArray[np.bool_] | None = None) -> float:
        """Return by how many points the recall of purchases of products with few purchases falls; 0 without any."""
        held_out = self._held_out
        few = held_out.sold[held_out.product_of] <= FEW_PURCHASES
        if queries is not None:
            few &= queries[held_out.query_of]
        if not few.any():
            return 0.0
        lost = (self._without.places[few] < DEPTH).mean() - (places[few] < DEPTH).mean()
        return float(100 * lost)

    def _compare(self, chosen: _Tried, weight: QueryWeight, places: Rows) -> PriorComparison:
        sold = self._held_out.sold[self._held_out.product_of]
        groups = []
        for least, most in GROUPS:
            of_group = (sold >= least) & (sold <= (sold.max() if most is None else most))
            if of_group.any():
                without, with_prior = (
                    float((found[of_group] < DEPTH).mean()) for found in (self._without.places, places)
                )
                groups.append(
                    RecallOfGroup(
                        least=least, most=most, purchases=int(of_group.sum()), without=without, with_prior=with_prior
                    )
                )
        gain = self._gain(places, self._without.places)
        return PriorComparison(
            queries=gain.queries,
            recall_at_10=gain.recall_at_10,
            recall_at_100=gain.recall_at_100,
            weight=chosen.weight,
            floor=chosen.floor,
            weight_by_query=bool(weight.vector.any()),
            by_purchases=tuple(groups),
            order=self._limit.change(self._scoring_of_labels(chosen, weight)) if self._limit else None,
        )


def _reason(comparison: PriorComparison, settings: PriorSettings) -> str:
    """Say in a clause what popularity changes on held-out queries, and for which products."""
    order = comparison.order
    if comparison.weight == 0:
        limited = f", or the order of judged products more than {settings.most_order_loss:g}" if order else ""
        return (
            f"of {comparison.queries:,} held-out queries none of its weights finds more purchases, beyond one standard "
            f"error, without costing products with {FEW_PURCHASES} or fewer purchases more than "
            f"{settings.most_loss:g} points of recall@{DEPTH}{limited}"
        )
    groups = ", ".join(
        f"{_range(group)}: {100 * group.without:.1f} to {100 * group.with_prior:.1f}"
        for group in comparison.by_purchases
    )
    which = "a weight by query" if comparison.weight_by_query else "the same weight for every query"
    pairs = (
        f"; on {order.queries:,} judged queries pairs in the right order go from {100 * order.without:.2f}% to "
        f"{100 * order.with_it:.2f}%"
        if order
        else ""
    )
    return (
        f"with weight {comparison.weight:g}, floor {comparison.floor:g} and {which}, {describe(comparison)}; "
        f"for products by their purchases in training {groups}{pairs}"
    )


def _range(group: RecallOfGroup) -> str:
    if group.most is None:
        return f"over {group.least - 1}"
    return f"{group.least}" if group.least == group.most else f"{group.least}-{group.most}"
