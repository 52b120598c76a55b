"""Vectors to a measured FAISS index: its type, its memory, its operating point. It knows no product and no photo."""
