"""Draw product photos: the shape of each product type, patterns, colours, and the complete photo."""
