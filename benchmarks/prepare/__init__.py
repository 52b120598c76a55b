"""bench-prepare: a synthetic search log of any size."""
