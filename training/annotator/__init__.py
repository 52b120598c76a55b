"""The relevance annotator: a model that labels pairs, fitted to judgments, calibrated, and measured.

This file imports nothing, so that the command line starts without PyTorch.
"""
