"""How products are drawn: shapes by product type, patterns, colours, and the photo made of them."""
