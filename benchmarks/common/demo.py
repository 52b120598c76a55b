"""Defaults of the benchmarks: the model and the catalogue of `make demo`."""

from benchmarks.common.measured_process import ROOT

DEMO_BUNDLE = ROOT / "var/demo/3tmm-prior"
DEMO_CATALOG = ROOT / "var/demo/shop/catalog.parquet"
