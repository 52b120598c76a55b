"""The search service: text, photo or product in, the nearest products out, over HTTP.

    python -m service serve --store STORE

A request comes in through `http` (bytes, headers, timeouts) and `api` (the HTTP contract). `dispatch` decides which
version answers, queues the query and sends it in a batch to a worker process. There, `worker` encodes the query,
searches the index and renders the hits. `protocol` is what the two processes send each other; `core` is what both stand
on. A room imports only rooms below it; tests/test_layering.py holds the table.
"""
