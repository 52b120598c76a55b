"""Types without dictionaries. Arrow reads dictionaries inside lists and structures only from files of one row group."""

import pyarrow as pa


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return a type in which all dictionaries, however deep, are the values that they stand for."""
    return plain_type(kind.value_type) if pa.types.is_dictionary(kind) else plain_inside(kind)


def plain_inside(kind: pa.DataType) -> pa.DataType:
    """Return a type in which the dictionaries inside lists, structures and maps are the values that they stand for."""
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
