"""bench-prepare: a search log as large as asked for."""
