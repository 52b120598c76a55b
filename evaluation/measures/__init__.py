"""Metrics and their statistics: recall, label shares, comparisons and slices. Tables and pages are made elsewhere."""
