"""Builds index versions in a store from a catalogue and a fitted model: encodes, tunes, checks, publishes.

python -m index_builder build --bundle BUNDLE --catalog catalog.parquet --store STORE --publish
"""
