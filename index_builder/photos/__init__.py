"""Reads the photos of a catalogue, from files and URLs: within limits, identified, decoded ahead.

It knows no model and no index.
"""
