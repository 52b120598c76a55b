"""Shopify's product CSV."""

from pathlib import Path

from benchmarks.feeds.made import CsvRows, Made
from benchmarks.feeds.products import products


def shopify(folder: Path, count: int, seed: int) -> Made:
    """Shopify's product CSV: three sizes of each product, a row of a photo alone, drafts, texts of several lines."""
    made = Made(folder / "shopify.csv")
    columns = [
        "Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published", "Option1 Name", "Option1 Value",
        "Variant SKU", "Variant Inventory Qty", "Variant Price", "Variant Compare At Price", "Variant Barcode",
        "Image Src", "Image Position", "Status",
    ]  # fmt: skip
    with made.path.open("w", encoding="utf-8-sig", newline="") as file:
        rows = CsvRows(file, columns)
        for product in products(-(-count // 3), seed):
            handle = f"{product.type.lower().replace(' ', '-')}-{product.number}"
            status = "draft" if product.number % 100 == 50 else "active"
            now, before = product.sale_price or product.price, product.price if product.sale_price else ""
            first = {
                "Title": product.title, "Body (HTML)": f"<p>{product.title},\nmade of {product.material}</p>",
                "Vendor": product.brand, "Type": product.type, "Tags": f"{product.colour}, {product.material}",
                "Published": "TRUE", "Option1 Name": "Size", "Image Src": product.photo, "Image Position": 1,
            }  # fmt: skip
            for place, size in enumerate(("S", "M", "L")):
                sku = f"{product.sku}-{size}"
                price: object = f"{now:.2f}"
                if status == "draft":
                    made.faults[rows.line] = "status draft"
                elif product.number % 100 == 70 and place == 1:
                    price, made.faults[rows.line] = "call us", "not a price"
                if status == "active":
                    made.products.append(sku)
                row = {
                    "Handle": handle, "Option1 Value": size, "Variant SKU": sku, "Variant Price": price,
                    "Status": status, "Variant Inventory Qty": 5 if product.in_stock else 0,
                    "Variant Compare At Price": before, "Variant Barcode": f"'{product.gtin}" if place == 0 else "",
                }  # fmt: skip
                rows.write(row | (first if place == 0 else {}))
            rows.write({"Handle": handle, "Image Src": product.photo.replace(".jpg", "-b.jpg"), "Image Position": 2})
    return made
