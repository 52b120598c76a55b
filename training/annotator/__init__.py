"""The relevance annotator: judgments to a model that labels pairs, calibrated, with what it reached.

This file imports nothing, so that the command line starts without PyTorch.
"""
