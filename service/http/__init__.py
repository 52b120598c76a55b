"""HTTP around the application: size limits, timeouts, request ids, the fast JSON route. It knows no search."""
