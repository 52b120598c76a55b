"""Metrics and traces of what the service does. It knows no request and no index."""
