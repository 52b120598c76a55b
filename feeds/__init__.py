"""Any product feed becomes a catalogue: `python -m feeds import FEED --out SHOP`."""
