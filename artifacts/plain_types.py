"""Types that Arrow can read and rearrange.

It reads dictionaries inside lists and structures only from files of one row group, and takes no rows of views of texts.
"""

import pyarrow as pa


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return a type without views, in which all dictionaries, however deep, are the values that they stand for."""
    return plain_type(kind.value_type) if pa.types.is_dictionary(kind) else plain_inside(kind)


def plain_inside(kind: pa.DataType) -> pa.DataType:
    """Return a type without views, in which dictionaries inside lists, structures and maps are plain values."""
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_struct(kind):
        return pa.struct([_plain_field(kind.field(number)) for number in range(kind.num_fields)])
    if pa.types.is_map(kind):
        return pa.map_(_plain_field(kind.key_field), _plain_field(kind.item_field), keys_sorted=kind.keys_sorted)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_plain_field(kind.value_field), kind.list_size)
    if pa.types.is_list(kind):
        return pa.list_(_plain_field(kind.value_field))
    if pa.types.is_large_list(kind):
        return pa.large_list(_plain_field(kind.value_field))
    return kind


def _plain_field(field: pa.Field) -> pa.Field:
    return field.with_type(plain_type(field.type))
