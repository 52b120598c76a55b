"""Runs the command line as `python -m index_builder`."""

from index_builder.cli.app import app

app()
