"""A German shop's CSV."""

from pathlib import Path

from benchmarks.feeds.made import Made
from benchmarks.feeds.products import products


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
