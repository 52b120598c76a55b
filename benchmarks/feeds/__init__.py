"""Feeds that are generated, for benchmarks and tests of imports."""
