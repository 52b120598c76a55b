"""Verifies, gates, publishes, lists, compares and prunes the versions of a store.

It does not know how a version is built.
"""
