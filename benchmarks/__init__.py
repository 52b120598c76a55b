"""Benchmarks: one script per claim, run by `make bench-NAME`. Each prints machine, baselines, figures and targets."""
