"""Data of the shop that belongs to no version: product photos for the pages, and relevance labels given by people.

It knows no index.
"""
