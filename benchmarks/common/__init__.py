"""The parts that all benchmarks share: machine, figures, targets, and processes that are measured.

It does not know what is measured.
"""
