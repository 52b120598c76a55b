"""One version in one worker process: encode queries, filter, search and render hits.

It knows no HTTP and no other version.
"""
