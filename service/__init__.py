"""The search service: a text query in, the nearest products out, over HTTP.

    python -m service serve --store STORE

Layers, each knowing only those below it: routes (HTTP) -> search_service (what a service holds) -> swapper (which
version is served) -> batcher (who answers which searches) -> version_process (a version in a process of its own).
There, in the other process: search_process -> answering -> loaded_version (encoder, index, products).
"""
