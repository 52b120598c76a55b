"""Six feeds of one generated shop, as six programs would write them, with known faults in known lines.

    python -m benchmarks.feeds.make_feeds --out FOLDER --products 10000

The same seed gives the same bytes. Each feed has its faults at fixed shares of its rows; `Made` says where.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks.feeds.european import european_csv
from benchmarks.feeds.made import Made
from benchmarks.feeds.merchant import merchant_tsv, merchant_xml
from benchmarks.feeds.nested import nested_jsonl
from benchmarks.feeds.shopify import shopify
from benchmarks.feeds.woocommerce import woocommerce

FEEDS: dict[str, Callable[[Path, int, int], Made]] = {
    "merchant.xml": merchant_xml,
    "merchant.tsv": merchant_tsv,
    "shopify.csv": shopify,
    "woocommerce.csv": woocommerce,
    "european.csv": european_csv,
    "nested.jsonl": nested_jsonl,
}


def main() -> None:
    """Write the feeds into a folder."""
    parser = argparse.ArgumentParser(description="Write six feeds of one generated shop.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--products", type=int, default=10_000, help="number of products of each")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for make in FEEDS.values():
        made = make(options.out, options.products, options.seed)
        print(f"{made.path}: {len(made.products):,} products, {len(made.faults):,} faults")


if __name__ == "__main__":
    main()
