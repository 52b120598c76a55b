"""Data sets from a catalogue without a search log; it knows nothing of models."""
