"""Training: a shop's search log, catalogue and photos to fitted model bundles."""
