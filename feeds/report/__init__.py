"""What an import tells: every row and cell that could not be used, and a summary for people and for programs."""
