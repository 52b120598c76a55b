"""Formats of files: each gives rows with their lines, and knows nothing of what columns mean."""
