"""Errors of the models.

TowerError
├── ClipError      a CLIP cannot be had: unknown name or tag, checkpoint that does not fit
├── ExportError    the exported query side does not give what the fitted one gives
└── PhotoError     a photo cannot be used; says why in one word (`reason`)
"""


class TowerError(Exception):
    """A model, or what it reads, cannot be used."""


class ClipError(TowerError):
    """A CLIP model cannot be built or loaded."""


class ExportError(TowerError):
    """The exported query side differs from the fitted one."""


class PhotoError(TowerError):
    """A product's photo cannot be used.

    Attributes:
        reason: a short stable word for counting, such as "missing" or "unreadable".
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
