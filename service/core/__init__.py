"""The basis of every process of the service: settings, errors, logs, threads, tasks and bounded caches.

It knows no version and no search.
"""
