"""How long the steps will take, said before they are run."""
