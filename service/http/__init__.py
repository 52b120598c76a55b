"""Bytes, headers and timers around the application: limits, timeouts, the fast JSON route. It knows no search."""
