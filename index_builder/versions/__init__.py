"""Versions in a store: verified, gated, published, listed, compared, pruned.

It does not know how a version is built.
"""
