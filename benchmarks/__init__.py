"""Benchmarks: scripts that `make bench-NAME` runs. Each prints the machine, baselines, measurements and targets."""
