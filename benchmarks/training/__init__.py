"""bench-train: training steps beside sentence-transformers' trainer."""
