"""Decodes untrusted photos in a process of its own, where a failure costs only that photo.

It knows no version and no product.
"""
