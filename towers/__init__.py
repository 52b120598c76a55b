"""The models: text tower, CLIP towers, fusions, and how they compose into the two sides of a model.

`tokens` and `query_encoder` need no torch, so that the search service runs without it on a CPU.
"""
