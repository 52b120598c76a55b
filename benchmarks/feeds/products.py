"""The products of the generated shop."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

_TYPES = {
    "Mug": ("Kitchen", "Mugs"), "Kettle": ("Kitchen", "Kettles"), "Sofa": ("Living", "Sofas"),
    "Lamp": ("Living", "Lamps"), "Boot": ("Shoes", "Boots"), "Sneaker": ("Shoes", "Sneakers"),
    "Dress": ("Clothing", "Dresses"),
    "Jacket": ("Clothing", "Jackets"), "Headphones": ("Electronics", "Audio"), "Phone case": ("Electronics", "Cases"),
}  # fmt: skip
_BRANDS = ("Hemline", "Aro", "Nordhaus", "Björk & Sohn", "Lumen", "Kitewell", "Ostra", "Tinto")
_COLOURS = ("red", "blue", "black", "white", "grey", "green", "beige")
_MATERIALS = ("cotton", "steel", "leather", "oak", "linen", "ceramic", "wool")


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
