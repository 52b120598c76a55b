"""Shared code of all benchmarks: machine, figures, targets, and processes whose time and memory are measured.

It depends on no single benchmark.
"""
