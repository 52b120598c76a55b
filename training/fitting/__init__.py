"""Fits a recipe to data and writes a model bundle, with its curves and its validation. It knows no search log."""
