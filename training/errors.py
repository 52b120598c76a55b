"""Errors of training.

TrainingError
├── ExperimentError  a stage of the experiments failed, or its folder holds other runs
├── FitError         a fit diverged, or there are fewer GPUs than it asks for
├── RecipeError      a recipe has an unknown key or a bad value, or does not go with the towers, data or devices
├── LogError         the search log cannot be made into a data set
│   └── LeakageError   the data set would let training see what it is evaluated on
├── JudgmentsError   an annotator cannot be fitted to the judgments, or is not right often enough
├── CatalogError     no data set can be made from the catalogue alone
└── EsciError        the files of ESCI or SQID do not hold what was asked for
"""


class TrainingError(Exception):
    """Training cannot go on with what it was given."""


class FitError(TrainingError):
    """A fit diverged, or there are fewer GPUs than it asks for."""


class RecipeError(TrainingError):
    """A recipe has an unknown key or a bad value, or does not go with the towers, data or devices of a fit."""


class LogError(TrainingError):
    """A search log cannot be made into a data set."""


class JudgmentsError(TrainingError):
    """An annotator cannot be fitted to the judgments, or is not right often enough."""


class CatalogError(TrainingError):
    """No data set can be made from a catalogue alone."""


class EsciError(TrainingError):
    """The files of ESCI or SQID do not hold what was asked for."""


class ExperimentError(TrainingError):
    """A stage of the experiments failed, or its folder holds the runs of other experiments."""


class LeakageError(LogError):
    """A data set would let training see what it is evaluated on."""
