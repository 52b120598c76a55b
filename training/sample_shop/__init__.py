"""The sample shop: a catalogue with drawn photos, a search log and judgments, generated without a download.

It is deterministic: the same number of products and the same seed give the same shop. How products look is in
`drawing/`, what they are in `product_types.py` and `vocabulary.py`, how shoppers behave in `simulation.py`.
"""

from training.sample_shop.generate import MIN_PRODUCTS, generate_sample_shop
from training.sample_shop.summary import ShopSummary

__all__ = ["MIN_PRODUCTS", "ShopSummary", "generate_sample_shop"]
