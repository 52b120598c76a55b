"""Encodes products into vectors: planned, encoded here or on a Ray cluster, kept in a pool.

It knows no index and no version.
"""
