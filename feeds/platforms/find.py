"""Which platform a feed is from."""

from dataclasses import replace

from feeds.platforms.shopify import is_shopify, shopify_rows
from feeds.platforms.woocommerce import is_woocommerce, woocommerce_rows
from feeds.rows import Feed


def one_row_a_product(feed: Feed) -> Feed:
    """Return a feed with a row for each thing that can be bought, whatever platform it is from."""
    for name, is_from, rows in (
        ("Shopify", is_shopify, shopify_rows),
        ("WooCommerce", is_woocommerce, woocommerce_rows),
    ):
        if is_from(feed.columns):
            details = feed.details | {"platform": name}
            return replace(feed, details=details, columns=[], entries=rows(feed.entries))
    return feed
