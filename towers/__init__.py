"""The models: text towers, CLIP towers, fusions, and their composition into the two sides of a model.

`tokens` and `query_encoder` need no torch, so that the search service runs on a CPU without it.
"""
