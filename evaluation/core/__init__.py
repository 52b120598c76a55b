"""Basics that all parts of the evaluation share: errors, arrays cached on disk, tables as text.

Nothing here depends on models.
"""
