"""What a fit produces, before it is written as a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tokenizers import Tokenizer

from artifacts.bundle import HistoryChoice, PriorChoice
from artifacts.history import ProductHistory
from artifacts.popularity import ProductPriors
from artifacts.tower_specs import TowerName
from towers.model import Model
from towers.side_encoder import SideEncoder
from training.fitting.curves import CurveFiles


@dataclass(frozen=True)
class FittedModel:
    """A fitted model, its encoders, and what was measured of it.

    Attributes:
        model: on the CPU, in evaluation mode.
        tokenizers: the tokenizer of each text tower.
        query: encoder of the query side.
        product: encoder of the product side; it adds the products' history and popularity, if there are any.
        metrics: what was measured, by name: recall on held-out queries, how much of the texts is read.
        curves: loss and learning rate by step; None where nothing was trained.
        history_choice: whether products' history was kept, and why; None where the recipe asks for none.
        prior: whether products' popularity was kept, and why; None where the recipe asks for none.
    """

    model: Model
    tokenizers: Mapping[TowerName, Tokenizer]
    query: SideEncoder
    product: SideEncoder
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: CurveFiles | None = None
    history_choice: HistoryChoice | None = None
    prior: PriorChoice | None = None

    @property
    def history(self) -> ProductHistory | None:
        """The products' history, which is part of their vectors; None where the model has none."""
        return self.product.history

    @property
    def priors(self) -> ProductPriors | None:
        """The products' popularity, which is part of their vectors; None where the model has none."""
        return self.product.priors

    def with_history(self, history: ProductHistory) -> "FittedModel":
        """Return the same model with a history of its products."""
        return replace(self, product=replace(self.product, history=history))

    def with_priors(self, priors: ProductPriors) -> "FittedModel":
        """Return the same model with the popularity of its products; its query side must have their columns."""
        return replace(self, product=replace(self.product, priors=priors))

    def with_metrics(self, metrics: Mapping[str, float]) -> "FittedModel":
        """Return the same model with other metrics."""
        return replace(self, metrics=metrics)
