"""Metrics and traces of what the service does.

It knows no HTTP request and no index.
"""
