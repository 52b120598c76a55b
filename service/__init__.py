"""The search service: a text query in, the nearest products out, over HTTP.

    python -m service serve --store STORE

Layers, each knowing only those below it: routes (HTTP) -> search_service (what one process holds) -> swapper
(which version is served) -> batcher (worker threads) -> loaded_version (encoder, index, products).
"""
