"""Errors of training.

TrainingError
├── ExperimentError  a stage of the experiments failed, or its folder holds other runs
├── FitError       a fit diverged, or asks for devices that are not there
├── RecipeError    a recipe has an unknown key or a bad value, or lacks a tower that it needs
├── LogError       the search log cannot be made into a data set
│   └── LeakageError   the data set that was made lets training see what it is judged by
├── JudgmentsError the judgments cannot be made into an annotator, or not into one that is right often enough
└── EsciError      the files of ESCI or SQID do not hold what was asked for
"""


class TrainingError(Exception):
    """Training cannot go on with what it was given."""


class FitError(TrainingError):
    """A fit diverged, or asks for devices that are not there."""


class RecipeError(TrainingError):
    """A recipe is wrong, or was given the wrong towers."""


class LogError(TrainingError):
    """A search log cannot be made into a data set."""


class JudgmentsError(TrainingError):
    """An annotator cannot be fitted to the judgments that were given."""


class EsciError(TrainingError):
    """The files of ESCI or SQID do not hold what was asked for."""


class ExperimentError(TrainingError):
    """A stage of the experiments failed, or the folder of runs holds those of other experiments."""


class LeakageError(LogError):
    """A data set lets training see what it is judged by."""
