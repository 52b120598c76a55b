"""From staged rows and recognised columns to typed products: prices, stock, categories, photos, ids, attributes."""
