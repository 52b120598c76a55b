"""The charts of the report, one file each: plain values in, inline SVG out."""
