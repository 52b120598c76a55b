"""Which column of a feed is which field of a product: by name, by content, or as a person says."""
