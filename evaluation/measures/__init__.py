"""Metrics with their statistics: recall, label shares, comparisons, slices. They know no table and no page."""
