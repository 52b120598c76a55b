"""The model that a fit starts from: towers from scratch, fitted before, or pretrained by others.

It knows no data set and no loss.
"""
