"""Google Merchant's feeds: RSS and tab-separated text."""

from html import escape
from pathlib import Path

from benchmarks.feeds.made import Made
from benchmarks.feeds.products import products


def merchant_xml(folder: Path, count: int, seed: int) -> Made:
    """Google Merchant's RSS: some items without an id, some ids twice, some prices that are none."""
    made = Made(folder / "merchant.xml")
    with made.path.open("w", encoding="utf-8") as file:
        file.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0">'
        )
        file.write("<channel><title>A shop</title>\n")
        for line, product in enumerate(products(count, seed), 3):
            product_id, price = product.sku, f"{product.price:.2f} EUR"
            if product.number % 200 == 50:
                product_id, made.faults[line] = "", "no id"
            elif product.number % 200 == 100:
                product_id, made.faults[line] = f"V{product.number - 1:07d}", "repeats"
            elif product.number % 200 == 150:
                price, made.faults[line] = "on request", "price"
            if line not in made.faults or made.faults[line] == "price":
                made.products.append(product_id)
            more = "".join(
                f"<g:additional_image_link>{product.photo[:-4]}-{n}.jpg</g:additional_image_link>" for n in range(2)
            )
            sale = f"<g:sale_price>{product.sale_price:.2f} EUR</g:sale_price>" if product.sale_price else ""
            file.write(
                f"<item><g:id>{product_id}</g:id><title>{escape(product.title)}</title>"
                f"<description><![CDATA[<p>{escape(product.title)}</p>"
                f"<p>Made of {product.material}</p>]]></description>"
                f"<g:brand>{escape(product.brand)}</g:brand><g:price>{price}</g:price>{sale}"
                f"<g:availability>{'in_stock' if product.in_stock else 'out of stock'}</g:availability>"
                f"<g:image_link>{product.photo}</g:image_link>{more}<g:gtin>{product.gtin}</g:gtin>"
                f"<g:product_type>{' &gt; '.join(product.path)}</g:product_type>"
                f"<g:color>{product.colour}</g:color></item>\n"
            )
        file.write("</channel></rss>\n")
    return made


def merchant_tsv(folder: Path, count: int, seed: int) -> Made:
    """Google Merchant's text feed, in UTF-16 as spreadsheets write it, with cut lines and broken GTINs."""
    made = Made(folder / "merchant.tsv")
    header = ["id", "title", "description", "link", "image_link", "availability", "price", "brand", "gtin"]
    header += ["product_type", "color"]
    with made.path.open("w", encoding="utf-16", newline="") as file:
        file.write("\t".join(header) + "\r\n")
        for line, product in enumerate(products(count, seed), 2):
            stock, gtin = ("in stock" if product.in_stock else "out of stock"), product.gtin
            if product.number % 250 == 100:
                stock, made.faults[line] = "maybe", "neither in stock"
            elif product.number % 250 == 150:
                gtin, made.faults[line] = "4.00638E+12", "rounded"
            cells = [
                product.sku, product.title, f"Made of {product.material}", f"https://shop.example.com/{product.sku}",
                product.photo, stock, f"{product.price:.2f} USD", product.brand, gtin, " > ".join(product.path),
                product.colour,
            ]  # fmt: skip
            if product.number % 250 == 200:
                cells, made.faults[line] = cells[:3], "fewer cells"
            else:
                made.products.append(product.sku)
            file.write("\t".join(cells) + "\r\n")
    return made
