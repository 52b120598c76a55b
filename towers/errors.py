"""Errors of the models.

TowerError
├── ClipError      a CLIP cannot be built or loaded: unknown name or tag, checkpoint that does not fit
├── EncoderError   a folder has no Hugging Face encoder that can be a text tower
├── ExportError    an exported encoder differs from the fitted one
└── PhotoError     a photo cannot be used; `reason` says why in one word
"""

_LONGEST_REASON = 300  # characters


class TowerError(Exception):
    """A model or its input cannot be used."""


def one_line(error: BaseException) -> str:
    """Shorten a library's message to one line, since PyTorch lists every tensor that does not fit."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= _LONGEST_REASON else f"{words[:_LONGEST_REASON]} ..."


class ClipError(TowerError):
    """A CLIP model cannot be built or loaded."""


class EncoderError(TowerError):
    """A Hugging Face encoder cannot be made a text tower."""


class ExportError(TowerError):
    """An encoder cannot be exported, or the exported one differs from the fitted one."""


class PhotoError(TowerError):
    """A product's photo cannot be used.

    Attributes:
        reason: a short stable word for counting, such as "missing" or "unreadable".
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
