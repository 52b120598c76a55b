"""What every process of the service stands on: settings, errors, logs, threads, bounded memory.

It knows no version and no search.
"""
