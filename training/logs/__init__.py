"""A shop's search log to a data set: windows of time, purchase interest, held-out queries, leakage.

It knows no model.
"""
