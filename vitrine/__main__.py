"""Run the command line: `python -m vitrine`, or `vitrine` where the package is installed."""

from vitrine.cli import app

app(prog_name="vitrine")
