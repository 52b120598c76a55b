"""The command line of the index builder: options, commands and what they print. Nothing imports it."""
