"""Exports of shop platforms in which a product has several rows: they become one for each thing that can be bought."""
