"""Image entries of a catalogue in one form, whatever the feed that they come from made of them.

A product may have several photos: `image` may be a list of entries, or `image` has the first one and `more_images` a
list of the others. Either way a catalogue is read as the second: all that shows products shows the first photo, and
models read all of them.
"""

from collections.abc import Sequence
from itertools import chain, islice, repeat
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.errors import FormatError
from artifacts.placeholders import PLACEHOLDERS
from artifacts.tables import is_text

MORE_IMAGES = "more_images"  # column of the photos of a product beside the first one
MOST_PHOTOS = 8  # of a product; further entries are left out, so that no product costs a hundred downloads
MORE_IMAGES_TYPE = pa.list_(pa.string())

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


def are_photo_lists(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds lists of image entries."""
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list:
        return False
    value = kind.value_type.value_type if pa.types.is_dictionary(kind.value_type) else kind.value_type
    return bool(is_text(value) or pa.types.is_null(value))


def photo_types(file: Path, schema: pa.Schema) -> dict[str, pa.DataType | None]:
    """Return the type that the column `image` of a file must have: None, which is any, where it holds lists.

    Raises:
        FormatError: `image` holds lists, and another column has the name of the further photos.
    """
    if not _holds_lists(schema, "image"):
        return {"image": pa.string()}
    if MORE_IMAGES in schema.names:
        raise FormatError(
            f"{file}: column image holds lists of photos, whose further ones are read as {MORE_IMAGES}, but there is "
            "such a column too; give it another name"
        )
    return {"image": None}


def photo_columns(schema: pa.Schema) -> list[str]:
    """Return the columns of a file that hold photos."""
    return ["image", MORE_IMAGES] if _holds_lists(schema, MORE_IMAGES) else ["image"]


def columns_as_read(schema: pa.Schema) -> dict[str, pa.DataType]:
    """Return the columns of photos that a file or a catalogue is read with: one, or two if there may be several."""
    several = len(photo_columns(schema)) > 1 or _holds_lists(schema, "image")
    return {"image": pa.string()} | ({MORE_IMAGES: MORE_IMAGES_TYPE} if several else {})


def further_photos(products: pa.Table | pa.RecordBatch) -> list[list[str]]:
    """Return the photos of each product beside the first one, of a catalogue as it is read; empty if there are none."""
    if MORE_IMAGES not in columns_as_read(products.schema):
        return []
    return [entries or [] for entries in products.column(MORE_IMAGES).to_pylist()]


def photos_of(products: pa.Table | pa.RecordBatch) -> list[list[str]]:
    """Return all photos of each product, the first one first, of a catalogue as it is read."""
    return joined_photos(products.column("image").to_pylist(), further_photos(products))


def joined_photos(first: Sequence[str | None], further: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return all photos of each product.

    Args:
        first: the first photo of each product; None or the empty string where it has none.
        further: the other photos of each product; empty if no product has any.
    """
    return [[*([image] if image else []), *more] for image, more in zip(first, further or repeat(()), strict=False)]


def split_photos(rows: pa.RecordBatch, columns: Sequence[str]) -> dict[str, pa.Array]:
    """Return the first photo of each product and the others, in one form, each photo once and at most MOST_PHOTOS.

    Args:
        rows: rows of a file.
        columns: the columns that hold photos, see `photo_columns`; empty if none is wanted.

    Returns:
        The columns `image` and MORE_IMAGES; null where a product has no photo or no further one.
    """
    if not columns:
        return {}
    if list(columns) == ["image"] and not are_photo_lists(rows.schema.field("image").type):
        return {"image": photo_entries(rows.column("image").cast(pa.string()))}
    listed = [_as_lists(rows.column(name)) for name in columns]
    photos = [list(dict.fromkeys(chain(*of_product)))[:MOST_PHOTOS] for of_product in zip(*listed, strict=True)]
    first = pa.array([entries[0] if entries else None for entries in photos], pa.string())
    return {"image": first, MORE_IMAGES: pa.array([entries[1:] or None for entries in photos], MORE_IMAGES_TYPE)}


def _as_lists(column: pa.Array) -> list[list[str]]:
    """Return the entries of each product in one form, without nulls and placeholders."""
    if not are_photo_lists(column.type):
        return [[entry] if entry else [] for entry in photo_entries(column.cast(pa.string())).to_pylist()]
    lists = column.cast(MORE_IMAGES_TYPE)
    entries = iter(photo_entries(lists.flatten()).to_pylist())
    counts = pc.fill_null(pc.list_value_length(lists), 0).to_pylist()
    return [[entry for entry in islice(entries, count) if entry] for count in counts]


def _holds_lists(schema: pa.Schema, column: str) -> bool:
    """Return whether a column holds lists of image entries; False if there is none, or more than one of this name."""
    place = schema.get_field_index(column)
    return place >= 0 and are_photo_lists(schema.field(place).type)
