"""Whether a service could load products: everything is made of them that a service makes when it loads a version."""

import pyarrow as pa

from artifacts.attribute_columns import attribute_names, read_attribute
from artifacts.product_json import product_fragments


def check_servable(products: pa.Table) -> None:
    """Make filters and answers of products, and forget them.

    Args:
        products: all of a version's products, or some of them.

    Raises:
        FormatError: no service could load them; the message names the column.
    """
    for name in attribute_names(products.schema):
        read_attribute(name, products[name])
    for _ in product_fragments(products):
        pass
