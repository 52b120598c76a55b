"""Makes a data set from a shop's search log: time windows, purchase interest, held-out queries, leakage check.

The room knows no model.
"""
