"""What belongs to the shop and not to a version: product photos for the pages, and labels that people gave.

It knows no index.
"""
