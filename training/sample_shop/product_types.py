"""The product types of the sample shop: categories, names, prices, materials, substitutes and complements."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.sample_shop.drawing import accessories, clothing, home, kitchen, shoes, toys
from training.sample_shop.drawing.geometry import Part

Drawing = Callable[[np.random.Generator], tuple[Part, ...]]


@dataclass(frozen=True)
class ProductType:
    """A product type."""

    name: str
    category: str
    phrases: tuple[str, ...]  # names in the singular, lower case, the usual one first
    plurals: tuple[str, ...]  # the same names in the plural, in the same order
    share: float  # share of products, relative to the other types
    price: float  # median price, in the shop's currency
    materials: tuple[str, ...]
    siblings: tuple[str, ...]  # types that can substitute it; the relation is symmetric
    complements: tuple[str, ...]  # types that complement it
    draw: Drawing


# For each type its materials, the most common first, and the types that complement it.
_MATERIALS_AND_COMPLEMENTS = {
    "t-shirt": ("cotton, linen, polyester, recycled", "trousers, jacket"),
    "shirt": ("cotton, linen, silk, denim", "trousers, scarf"),
    "dress": ("cotton, linen, silk, polyester", "high heel, handbag"),
    "skirt": ("cotton, wool, denim, silk", "shirt, high heel"),
    "trousers": ("cotton, wool, denim, polyester", "shirt, sneaker"),
    "jacket": ("nylon, wool, denim, leather", "scarf, boot"),
    "sneaker": ("canvas, leather, suede, recycled", "t-shirt, backpack"),
    "boot": ("leather, suede, rubber", "jacket, trousers"),
    "sandal": ("leather, rubber, suede", "hat, dress"),
    "high heel": ("leather, suede, velvet", "dress, handbag"),
    "mug": ("ceramic, porcelain, stoneware, steel", "teapot, plate"),
    "teapot": ("ceramic, porcelain, stoneware, glass", "mug, plate"),
    "plate": ("ceramic, porcelain, stoneware, plastic", "mug, teapot"),
    "bottle": ("steel, glass, plastic", "backpack, umbrella"),
    "chair": ("wood, velvet, leather, plastic", "cushion, lamp"),
    "sofa": ("velvet, leather, linen, wool", "cushion, lamp"),
    "lamp": ("steel, ceramic, glass, wood", "vase, sofa"),
    "cushion": ("cotton, linen, velvet, wool", "sofa, chair"),
    "vase": ("ceramic, glass, stoneware, porcelain", "lamp, cushion"),
    "handbag": ("leather, suede, canvas, straw", "high heel, scarf"),
    "backpack": ("nylon, canvas, leather, recycled", "bottle, umbrella"),
    "umbrella": ("nylon, polyester, recycled", "jacket, boot"),
    "hat": ("straw, wool, cotton, felt", "sandal, t-shirt"),
    "scarf": ("wool, silk, cotton, linen", "jacket, handbag"),
    "ball": ("rubber, plastic, felt", "kite, toy car"),
    "kite": ("nylon, polyester, silk", "ball, hat"),
    "teddy bear": ("plush, cotton, wool", "toy car, cushion"),
    "toy car": ("wood, plastic, steel", "teddy bear, ball"),
}

_SIBLINGS = (
    ("t-shirt", "shirt"),
    ("dress", "skirt"),
    ("sneaker", "boot"),
    ("sandal", "high heel"),
    ("mug", "bottle"),
    ("chair", "sofa"),
    ("handbag", "backpack"),
    ("hat", "scarf"),
)


def _split(words: str) -> tuple[str, ...]:
    """Split a text at its commas."""
    return tuple(word.strip() for word in words.split(","))


def _type(category: str, phrases: str, plurals: str, share: float, price: float, draw: Drawing) -> ProductType:
    """Return a product type; its first phrase is its name."""
    name = _split(phrases)[0]
    materials, complements = _MATERIALS_AND_COMPLEMENTS[name]
    return ProductType(
        name=name,
        category=category,
        phrases=_split(phrases),
        plurals=_split(plurals),
        share=share,
        price=price,
        materials=_split(materials),
        siblings=tuple(b if a == name else a for a, b in _SIBLINGS if name in (a, b)),
        complements=_split(complements),
        draw=draw,
    )


# A few types are common and most are rare, as in real shops: of a common type, 100 results cannot hold all products.
PRODUCT_TYPES = (
    _type("clothing", "t-shirt, tee, tshirt", "t-shirts, tees, tshirts", 450, 22, clothing.tshirt),
    _type("clothing", "shirt, button-down", "shirts, button-downs", 75, 39, clothing.shirt),
    _type("clothing", "dress, frock, gown", "dresses, frocks, gowns", 400, 59, clothing.dress),
    _type("clothing", "skirt", "skirts", 45, 35, clothing.skirt),
    _type("clothing", "trousers, pants, slacks", "trousers, pants, slacks", 75, 49, clothing.trousers),
    _type("clothing", "jacket, hooded coat", "jackets, hooded coats", 65, 89, clothing.jacket),
    _type("shoes", "sneaker, trainer, sports shoe", "sneakers, trainers, sports shoes", 370, 69, shoes.sneaker),
    _type("shoes", "boot, ankle boot", "boots, ankle boots", 60, 99, shoes.boot),
    _type("shoes", "sandal, slider", "sandals, sliders", 30, 34, shoes.sandal),
    _type("shoes", "high heel, pump, stiletto", "high heels, pumps, stilettos", 30, 79, shoes.high_heel),
    _type("kitchen", "mug, coffee cup", "mugs, coffee cups", 350, 14, kitchen.mug),
    _type("kitchen", "teapot, tea pot", "teapots, tea pots", 26, 38, kitchen.teapot),
    _type("kitchen", "plate, dinner plate", "plates, dinner plates", 30, 12, kitchen.plate),
    _type("kitchen", "bottle, water flask", "bottles, water flasks", 30, 24, kitchen.bottle),
    _type("home", "chair, dining chair", "chairs, dining chairs", 60, 129, home.chair),
    _type("home", "sofa, couch", "sofas, couches", 28, 690, home.sofa),
    _type("home", "lamp, table light", "lamps, table lights", 28, 64, home.lamp),
    _type("home", "cushion, throw pillow", "cushions, throw pillows", 300, 19, home.cushion),
    _type("home", "vase, flower jar", "vases, flower jars", 28, 29, home.vase),
    _type("accessories", "handbag, purse, tote", "handbags, purses, totes", 330, 75, accessories.handbag),
    _type("accessories", "backpack, rucksack", "backpacks, rucksacks", 60, 65, accessories.backpack),
    _type("accessories", "umbrella, brolly", "umbrellas, brollies", 26, 27, accessories.umbrella),
    _type("accessories", "hat, sun hat", "hats, sun hats", 28, 32, accessories.hat),
    _type("accessories", "scarf, neck wrap", "scarves, neck wraps", 28, 29, accessories.scarf),
    _type("toys", "ball, play ball", "balls, play balls", 26, 11, toys.ball),
    _type("toys", "kite", "kites", 25, 21, toys.kite),
    _type("toys", "teddy bear, teddy, soft toy", "teddy bears, teddies, soft toys", 30, 26, toys.teddy_bear),
    _type("toys", "toy car, model car", "toy cars, model cars", 26, 17, toys.toy_car),
)
