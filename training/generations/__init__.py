"""A loop in which each fitted model is the engine whose search log trains the next, on the sample shop."""
