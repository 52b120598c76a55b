"""Recipes: what is trained and how, a YAML file for each row of the paper's Table 2 and each model of our own.

The room knows no data.
"""
