"""The model that a fit starts from: towers from scratch, from earlier fits, or pretrained by others.

The room knows no data set and no loss.
"""
