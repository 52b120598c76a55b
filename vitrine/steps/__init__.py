"""From a feed to an index version as steps, each a command line of a program. Nothing is run here."""
