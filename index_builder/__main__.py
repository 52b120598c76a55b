"""`python -m index_builder`."""

from index_builder.cli import app

app()
