"""A tower of both sides, as a fit starts with it."""

from dataclasses import dataclass

from tokenizers import Tokenizer
from torch import nn

from artifacts.side import TowerSpec


@dataclass(frozen=True)
class TowerPair:
    """What both sides' towers of one name are made of.

    Attributes:
        query: the query side's tower.
        product: the product side's tower.
        tokenizer: of those that read text.
        weights: modules of both towers whose weights are taken over, query side first; None for fresh ones.
    """

    query: TowerSpec
    product: TowerSpec
    tokenizer: Tokenizer
    weights: tuple[nn.Module, nn.Module] | None = None
