"""The command `vitrine`, above all programs: it runs them through their command lines, as a person would."""
