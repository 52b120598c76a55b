"""Run the command line of training: `python -m training`."""

from training.cli import app

app()
