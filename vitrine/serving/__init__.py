"""The search service as a process of its own, and the browser that shows it."""
