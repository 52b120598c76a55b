"""The sample shop: a synthetic catalogue with drawn photos, a simulated search log and judgments, without a download.

Generation is deterministic: the same number of products and the same seed give the same shop. `drawing/` draws the
photos, `product_types.py` and `vocabulary.py` list product types and attributes, `simulation.py` simulates shoppers.
"""

from training.sample_shop.generate import MIN_PRODUCTS, generate_sample_shop
from training.sample_shop.summary import ShopSummary

__all__ = ["MIN_PRODUCTS", "ShopSummary", "generate_sample_shop"]
