"""report.html: what an evaluation found, on one self-contained page for people to look at.

inputs.py     reads results, data set and training curves
head.py, tables.py, charts.py, panels.py    make of them what the page shows, each its section
figures/      the charts, as inline SVG
templates/    the page's HTML and CSS
page.py       puts it together
"""

from evaluation.report_page.page import write_report_page

__all__ = ["write_report_page"]
