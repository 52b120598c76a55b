"""Recipes: what is trained and how, one YAML file for each row of the paper's Table 2 and for each model of ours.

They know no data.
"""
