"""What every benchmark shares: the machine, figures, targets, processes that are measured.

It knows nothing of what is measured.
"""
