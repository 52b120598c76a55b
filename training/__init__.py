"""Training: makes data sets from a shop's search log, catalogue and photos, and fits model bundles to them."""
