"""WooCommerce's product CSV."""

from pathlib import Path

from benchmarks.feeds.made import CsvRows, Made
from benchmarks.feeds.products import products


def woocommerce(folder: Path, count: int, seed: int) -> Made:
    """WooCommerce's product CSV: variable products with variations, orphans, hidden ones."""
    made = Made(folder / "woocommerce.csv")
    columns = [
        "ID", "Type", "SKU", "Name", "Published", "Visibility in catalog", "Short description", "In stock?",
        "Regular price", "Sale price", "Categories", "Tags", "Images", "Parent", "Attribute 1 name",
        "Attribute 1 value(s)",
    ]  # fmt: skip
    with made.path.open("w", encoding="utf-8", newline="") as file:
        rows = CsvRows(file, columns)
        for product in products(-(-count // 2), seed):
            parent, photo = 3 * product.number, product.photo
            shown = "hidden" if product.number % 100 == 50 else "visible"
            common = {
                "Published": 1, "Visibility in catalog": shown, "In stock?": int(product.in_stock),
                "Attribute 1 name": "Size",
            }  # fmt: skip
            if shown == "hidden":
                made.faults[rows.line] = "hidden"
            rows.write(common | {
                "ID": parent, "Type": "variable", "SKU": product.sku, "Name": product.title,
                "Short description": f"Made of {product.material} &amp; more", "Tags": product.colour,
                "Categories": f"{' > '.join(product.path)}, Sale", "Images": f"{photo}, {photo[:-4]}-b.jpg",
                "Attribute 1 value(s)": "S, M",
            })  # fmt: skip
            for place, size in enumerate(("S", "M"), 1):
                sku, of_parent = f"{product.sku}-{size}", f"id:{parent}"
                if shown == "hidden":
                    made.faults[rows.line] = "hidden"
                elif product.number % 100 == 80 and place == 2:
                    of_parent, made.faults[rows.line] = "id:999999999", "parent"
                else:
                    made.products.append(sku)
                rows.write(common | {
                    "ID": parent + place, "Type": "variation", "SKU": sku, "Name": f"{product.title} - {size}",
                    "Regular price": f"{product.price:.2f}", "Parent": of_parent, "Attribute 1 value(s)": size,
                    "Sale price": f"{product.sale_price:.2f}" if product.sale_price else "",
                })  # fmt: skip
    return made
