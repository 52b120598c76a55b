"""Builds a measured FAISS index of vectors: its type, its memory, its operating point.

It knows no product and no photo.
"""
