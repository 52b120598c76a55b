"""From a catalogue and a fitted model to an index version in a store: encoded, tuned, checked, published.

python -m index_builder build --bundle BUNDLE --catalog catalog.parquet --store STORE --publish
"""
