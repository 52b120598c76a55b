"""Which reasons for a photo that cannot be used pass by themselves, and which last.

A server that is busy or away one night has the photo the next; a page that does not exist, or a file that is no
picture, stays so until somebody mends it.
"""

import pyarrow as pa
import pyarrow.compute as pc

_PASSING = r"^(unreachable|timeout|broken-transfer|host-down|unexpected-error|status-(408|425|429|5[0-9]{2}))$"


def are_passing(reasons: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return, for each outcome of a photo, whether it is a reason that may pass by itself.

    Args:
        reasons: strings.
    """
    return pc.match_substring_regex(reasons, _PASSING)
