"""Image entries of a catalogue in one form, whatever the feed that they come from made of them."""

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.placeholders import PLACEHOLDERS

_NO_PHOTO = (*PLACEHOLDERS, "no image", "no photo")  # in lower case


def photo_entries(images: pa.Array) -> pa.Array:
    """Return image entries without blanks at their ends, and null in place of placeholders such as N/A.

    Hosts without a scheme become URLs: `//cdn.example/a.jpg` and `www.example/a.jpg` are taken as https.

    Args:
        images: strings.
    """
    stripped = pc.utf8_trim_whitespace(images)
    is_placeholder = pc.is_in(pc.utf8_lower(stripped), value_set=pa.array(_NO_PHOTO, stripped.type))
    named = pc.if_else(is_placeholder, pa.scalar(None, stripped.type), stripped)
    whole = pc.replace_substring_regex(named, r"^//([^/])", r"https://\1")
    return pc.replace_substring_regex(whole, r"^([wW]{3}\.[^/]+/)", r"https://\1")
