"""Popularity for tiny models: columns, weights and priors that no fit has chosen."""

import numpy as np
import pyarrow as pa
import torch

from artifacts.popularity import PriorColumns, ProductPriors, columns_after
from artifacts.side import PriorSpec
from towers.model import Side

REACH, LIMIT, CONSTANT = 0.2, 1.5, 0.8


def give_prior(query: Side, seed: int = 0) -> None:
    """Give a query side the weight of popularity, different for each query and at the limit for some, in place."""
    width = query.spec.content_width
    spec = PriorSpec(columns=columns_after(width), reach=REACH, limit=LIMIT)
    weights = 3 * torch.randn(width, generator=torch.Generator().manual_seed(seed)) / width**0.5
    query.set_prior(spec, weights, CONSTANT)


def tiny_priors(product_ids: list[str], columns: PriorColumns, seed: int = 0) -> ProductPriors:
    """Priors from one end of the reach to the other, and an estimate below 0."""
    values = np.random.default_rng(seed).permutation(np.linspace(-columns.reach, columns.reach, len(product_ids)))
    inside = np.clip(values.astype(np.float32), -np.float32(columns.reach), np.float32(columns.reach))
    return ProductPriors(pa.array(product_ids, pa.string()), inside, -0.05, columns)
