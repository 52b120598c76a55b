"""Errors of training.

TrainingError
├── RecipeError    a recipe has an unknown key or a bad value, or lacks a tower that it needs
└── LogError       the search log cannot be made into a data set
"""


class TrainingError(Exception):
    """Training cannot go on with what it was given."""


class RecipeError(TrainingError):
    """A recipe is wrong, or was given the wrong towers."""


class LogError(TrainingError):
    """A search log cannot be made into a data set."""
