"""The paper's tables as text, and the figures that the paper reports. Nothing is measured here."""
