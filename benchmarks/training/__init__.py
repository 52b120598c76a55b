"""bench-train: training throughput compared with sentence-transformers' trainer."""
