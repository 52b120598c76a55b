"""Photos of a catalogue, from files and URLs: fetched within limits, identified, decoded ahead.

It knows no model and no index.
"""
