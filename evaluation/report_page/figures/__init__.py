"""Functions that draw the charts of the report, one file each, from plain values as inline SVG."""
