"""Benchmarks: one script a claim, run by `make bench-NAME`; each prints its machine, baselines, figures and targets."""
