"""The evaluation report: one self-contained HTML page with the results of an evaluation.

inputs.py     reads the results, the data set and the training curves
head.py, tables.py, charts.py, panels.py    prepare the content of the page's sections
figures/      draws the charts as inline SVG
templates/    the page's HTML and CSS
page.py       renders the page
"""

from evaluation.report_page.page import write_report_page

__all__ = ["write_report_page"]
