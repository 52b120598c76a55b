"""What every part of the index builder stands on: errors, product keys, failed photos, progress, threads.

It knows no photo, no index and no store.
"""
