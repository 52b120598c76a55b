"""What becomes of a photo that fails in a way that nobody foresaw: a reason of its own, and a line in the log.

No photo of one product may end the build of a catalogue.
"""

import logging

from towers.errors import one_line

UNEXPECTED = "unexpected-error"

_LOGGER = logging.getLogger(__name__)


def unexpected_reason(image: str, error: Exception) -> str:
    """Log an error that nobody foresaw; return the reason for which its photo counts as unusable.

    Args:
        image: path or URL of the photo.
        error: what was raised.
    """
    _LOGGER.warning("%r cannot be used: unexpected %s: %s", image, type(error).__name__, one_line(error))
    return UNEXPECTED
