"""The sets of vectors that benchmarks index and search, and their exact answers. It depends on no index type."""
