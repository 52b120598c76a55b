"""Six feeds of one generated shop, as six programs would write them, with known faults in known lines.

    python -m benchmarks.feeds.make_feeds --out FOLDER --products 10000

The same seed gives the same bytes. Each feed has its faults at fixed shares of its rows; `Made` says where.
"""

import argparse
import csv
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

_TYPES = {
    "Mug": ("Kitchen", "Mugs"), "Kettle": ("Kitchen", "Kettles"), "Sofa": ("Living", "Sofas"),
    "Lamp": ("Living", "Lamps"), "Boot": ("Shoes", "Boots"), "Sneaker": ("Shoes", "Sneakers"),
    "Dress": ("Clothing", "Dresses"),
    "Jacket": ("Clothing", "Jackets"), "Headphones": ("Electronics", "Audio"), "Phone case": ("Electronics", "Cases"),
}  # fmt: skip
_BRANDS = ("Hemline", "Aro", "Nordhaus", "Björk & Sohn", "Lumen", "Kitewell", "Ostra", "Tinto")
_COLOURS = ("red", "blue", "black", "white", "grey", "green", "beige")
_MATERIALS = ("cotton", "steel", "leather", "oak", "linen", "ceramic", "wool")
_SIZES = ("S", "M", "L", "XL")


@dataclass(frozen=True)
class Product:
    """One product of the generated shop."""

    number: int
    title: str
    type: str
    brand: str
    colour: str
    material: str
    price: float
    sale_price: float | None
    in_stock: bool
    gtin: str

    @property
    def sku(self) -> str:
        """Its id."""
        return f"V{self.number:07d}"

    @property
    def path(self) -> tuple[str, str]:
        """The levels of its category."""
        return _TYPES[self.type]

    @property
    def photo(self) -> str:
        """The address of its photo."""
        return f"https://photos.example.com/{self.number}.jpg"


@dataclass
class Made:
    """A feed that was written.

    Attributes:
        path: the file.
        products: ids of the products that can be used, in order.
        faults: reasons by line for rows and cells that cannot be used; a word of the reason.
    """

    path: Path
    products: list[str] = field(default_factory=list)
    faults: dict[int, str] = field(default_factory=dict)


def products(count: int, seed: int) -> Iterator[Product]:
    """Yield the products of the shop."""
    draw = random.Random(seed)  # noqa: S311
    for number in range(1, count + 1):
        kind, brand = draw.choice(list(_TYPES)), draw.choice(_BRANDS)
        colour, material = draw.choice(_COLOURS), draw.choice(_MATERIALS)
        price = round(draw.lognormvariate(3.5, 1.2) + 1, 2)
        sale = round(price * 0.8, 2) if draw.random() < 0.2 else None
        title = f"{brand} {material} {kind.lower()} {colour} {draw.randint(100, 999)}"
        digits = f"{400638100000 + number:012d}"
        check = -sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(digits)) % 10
        yield Product(
            number, title, kind, brand, colour, material, price, sale, draw.random() < 0.85, f"{digits}{check}"
        )


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


def shopify(folder: Path, count: int, seed: int) -> Made:
    """Shopify's product CSV: three sizes of each product, a row of a photo alone, drafts, texts of several lines."""
    made = Made(folder / "shopify.csv")
    columns = [
        "Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published", "Option1 Name", "Option1 Value",
        "Variant SKU", "Variant Inventory Qty", "Variant Price", "Variant Compare At Price", "Variant Barcode",
        "Image Src", "Image Position", "Status",
    ]  # fmt: skip
    line = 2
    with made.path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        for product in products(-(-count // 3), seed):
            handle = f"{product.type.lower().replace(' ', '-')}-{product.number}"
            status = "draft" if product.number % 100 == 50 else "active"
            now, before = product.sale_price or product.price, product.price if product.sale_price else ""
            first = {
                "Title": product.title, "Body (HTML)": f"<p>{product.title},\nmade of {product.material}</p>",
                "Vendor": product.brand, "Type": product.type, "Tags": f"{product.colour}, {product.material}",
                "Published": "TRUE", "Option1 Name": "Size", "Image Src": product.photo, "Image Position": 1,
            }  # fmt: skip
            for place, size in enumerate(_SIZES[:3]):
                sku = f"{product.sku}-{size}"
                price: object = f"{now:.2f}"
                if status == "draft":
                    made.faults[line] = "status draft"
                elif product.number % 100 == 70 and place == 1:
                    price, made.faults[line] = "call us", "not a price"
                if status == "active":
                    made.products.append(sku)
                row = {
                    "Handle": handle, "Option1 Value": size, "Variant SKU": sku, "Variant Price": price,
                    "Status": status, "Variant Inventory Qty": 5 if product.in_stock else 0,
                    "Variant Compare At Price": before, "Variant Barcode": f"'{product.gtin}" if place == 0 else "",
                }  # fmt: skip
                writer.writerow(row | (first if place == 0 else {}))
                line += 2 if place == 0 else 1
            writer.writerow(
                {"Handle": handle, "Image Src": product.photo.replace(".jpg", "-b.jpg"), "Image Position": 2}
            )
            line += 1
    return made


def woocommerce(folder: Path, count: int, seed: int) -> Made:
    """WooCommerce's product CSV: variable products with variations, orphans, hidden ones."""
    made = Made(folder / "woocommerce.csv")
    columns = [
        "ID", "Type", "SKU", "Name", "Published", "Visibility in catalog", "Short description", "In stock?",
        "Regular price", "Sale price", "Categories", "Tags", "Images", "Parent", "Attribute 1 name",
        "Attribute 1 value(s)",
    ]  # fmt: skip
    line = 2
    with made.path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        for product in products(-(-count // 2), seed):
            parent, photo = 3 * product.number, product.photo
            shown = "hidden" if product.number % 100 == 50 else "visible"
            common = {
                "Published": 1, "Visibility in catalog": shown, "In stock?": int(product.in_stock),
                "Attribute 1 name": "Size",
            }  # fmt: skip
            writer.writerow(common | {
                "ID": parent, "Type": "variable", "SKU": product.sku, "Name": product.title,
                "Short description": f"Made of {product.material} &amp; more", "Tags": product.colour,
                "Categories": f"{' > '.join(product.path)}, Sale", "Images": f"{photo}, {photo[:-4]}-b.jpg",
                "Attribute 1 value(s)": "S, M",
            })  # fmt: skip
            if shown == "hidden":
                made.faults[line] = "hidden"
            line += 1
            for place, size in enumerate(_SIZES[:2], 1):
                sku, of_parent = f"{product.sku}-{size}", f"id:{parent}"
                if shown == "hidden":
                    made.faults[line] = "hidden"
                elif product.number % 100 == 80 and place == 2:
                    of_parent, made.faults[line] = "id:999999999", "parent"
                else:
                    made.products.append(sku)
                writer.writerow(common | {
                    "ID": parent + place, "Type": "variation", "SKU": sku, "Name": f"{product.title} - {size}",
                    "Regular price": f"{product.price:.2f}", "Parent": of_parent, "Attribute 1 value(s)": size,
                    "Sale price": f"{product.sale_price:.2f}" if product.sale_price else "",
                })  # fmt: skip
                line += 1
    return made


def european_csv(folder: Path, count: int, seed: int) -> Made:
    """A German export in Latin-1 with semicolons and decimal commas, headings between and notes behind the rows."""
    made = Made(folder / "european.csv")
    line = 2
    with made.path.open("w", encoding="cp1252", newline="\r\n") as file:
        file.write("Artikelnummer;Bezeichnung;Beschreibung;Hersteller;Preis;Verfügbar;Kategorie;Bild;EAN;Gewicht\n")
        for product in products(count, seed):
            price = f"{product.price:,.2f}".replace(",", " ").replace(".", ",").replace(" ", ".")
            stock = "ja" if product.in_stock else "nein"
            if product.number % 500 == 100:
                file.write(f";;; {product.type} ;;;;;;\n")
                made.faults[line] = "no id"
                line += 1
            elif product.number % 500 == 200:
                price, made.faults[line] = f"ab {price}", "words beside"
            elif product.number % 500 == 300:
                stock, made.faults[line] = "vielleicht", "neither in stock"
            made.products.append(product.sku)
            title = product.title.replace("black", "schwärzlich").replace("green", "grün")
            size = f'{product.number % 30} " breit' if product.number % 7 == 0 else "groß"
            weight = f"{product.number % 900 / 100:.2f}".replace(".", ",")
            file.write(
                f"{product.sku};{title};Maß: {size};{product.brand};{price} €;{stock};{' > '.join(product.path)};"
                f"{product.photo};{product.gtin};{weight}\n"
            )
            line += 1
        file.write("Stand;vom 01.11.2026\nAlle Preise in EUR\n")
    made.faults |= {line: "fewer cells", line + 1: "fewer cells"}
    return made


def nested_jsonl(folder: Path, count: int, seed: int) -> Made:
    """JSON lines with nested names, prices and media, some lines cut, some without a name."""
    made = Made(folder / "nested.jsonl")
    with made.path.open("w", encoding="utf-8") as file:
        for line, product in enumerate(products(count, seed), 1):
            name = {"en": product.title, "de": f"{product.title} (de)"} if product.number % 300 != 100 else None
            media = [{"src": product.photo}, {"src": product.photo.replace(".jpg", "-b.jpg")}] if name else []
            text = json.dumps(
                {
                    "sku": product.sku, "name": name, "brand": {"name": product.brand}, "images": media,
                    "price": {"amount": product.price, "currency": "EUR"}, "categories": [list(product.path)],
                    "stock": 3 if product.in_stock else 0,
                    "attributes": {"colour": product.colour, "new": product.in_stock},
                },
                ensure_ascii=False,
            )  # fmt: skip
            if name is None:
                made.faults[line] = "no title"
            elif product.number % 300 == 200:
                text, made.faults[line] = text[:40], "JSON"
            else:
                made.products.append(product.sku)
            file.write(text + "\n")
    return made


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
