"""The two towers of one name, one on each side, from which a model is built."""

from dataclasses import dataclass

from tokenizers import Tokenizer
from torch import nn

from artifacts.tower_specs import TowerSpec


@dataclass(frozen=True)
class TowerPair:
    """The specifications of both sides' towers of one name, with their tokenizer and weights.

    Attributes:
        query: specification of the query side's tower.
        product: specification of the product side's tower.
        tokenizer: the tokenizer of the towers that read text.
        weights: modules with the weights to copy, query side first; None: random weights, or those of a bundle.
    """

    query: TowerSpec
    product: TowerSpec
    tokenizer: Tokenizer
    weights: tuple[nn.Module, nn.Module] | None = None
