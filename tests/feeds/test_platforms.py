"""Shopify and WooCommerce: variants over several rows."""

from tests.feeds.conftest import Import

SHOPIFY = """Handle,Title,Body (HTML),Vendor,Published,Option1 Name,Option1 Value,Variant SKU,Variant Price,\
Variant Compare At Price,Image Src,Image Position,Status
shirt,Linen shirt,<p>Cool &amp; light</p>,Hemline,TRUE,Size,S,SH-S,49.00,59.00,https://example.com/a.jpg,1,active
shirt,,,,,,M,SH-M,49.00,,https://example.com/b.jpg,3,active
shirt,,,,,,L,,52.00,,,,active
shirt,,,,,,,,,,https://example.com/c.jpg,2,
mug,Mug,,Hemline,TRUE,Title,Default Title,MUG,9.00,,,,active
hat,Old hat,,Hemline,FALSE,Title,Default Title,HAT,5.00,,,,archived
"""

WOOCOMMERCE = """ID,Type,SKU,Name,Published,In stock?,Regular price,Sale price,Categories,Images,Parent,\
Attribute 1 name,Attribute 1 value(s)
12,variation,TB-BR,Boot - Brown,1,1,120,99,,https://example.com/3.jpg,id:11,Colour,Brown
11,variable,,Boot,1,1,,,"Shoes > Boots, Outdoor > Hiking","https://example.com/1.jpg, https://example.com/2.jpg",,\
Colour,"Brown, Black"
13,variation,TB-BK,Boot - Black,1,0,120,,,,id:11,Colour,Black
14,simple,LACE,Laces,1,backorder,4,,Shoes > Care &amp; Repair,,,,
15,simple,,Hidden thing,-1,1,1,,,,,,
16,variation,X,Lost,1,1,1,,,,id:99,Colour,Red
"""


def test_shopify(importing: Import) -> None:
    result = importing(SHOPIFY)
    found = [(row["product_id"], row["title"], row["item_group"], row["price"]) for row in result.products]
    assert found == [
        ("SH-S", "Linen shirt", "shirt", 49.0),
        ("SH-M", "Linen shirt", "shirt", 49.0),
        ("shirt-l", "Linen shirt", "shirt", 52.0),
        ("MUG", "Mug", "mug", 9.0),
    ]
    assert result.column("list_price") == [59.0, None, None, None]
    assert result.column("size") == ["S", "M", "L", None]
    assert result.column("description")[2] == "Cool & light"
    assert result.products[1]["image"] == "https://example.com/a.jpg"
    assert result.products[1]["more_images"] == ["https://example.com/c.jpg", "https://example.com/b.jpg"]
    assert result.lines("left out") == {7: "not published"}
    assert result.imported.summary.repeats["products"] == 0  # variants are none


def test_a_shopify_draft_with_a_photo_between_its_variants_and_numbers_that_are_none(importing: Import) -> None:
    header = SHOPIFY.splitlines()[0].replace("Variant SKU", "Variant SKU,Variant Inventory Qty")
    result = importing(
        f"{header}\n"
        "mug,Mug,,Hemline,TRUE,Title,Default Title,MUG,--5,9.00,,https://example.com/m.jpg,\u00b2,active\n"
        "hat,Hat,,Hemline,TRUE,Size,S,HAT-S,1,5.00,,https://example.com/h.jpg,1,draft\n"
        "hat,,,,,,,,,,,https://example.com/i.jpg,2,\n"
        "hat,,,,,,M,HAT-M,1,5.00,,,,\n"
    )
    assert result.column("product_id") == ["MUG"]
    assert result.column("image") == ["https://example.com/m.jpg"]
    assert result.lines("left out") == {3: "status draft", 5: "status draft"}


def test_woocommerce(importing: Import) -> None:
    result = importing(WOOCOMMERCE)
    by_id = {row["product_id"]: row for row in result.products}
    assert {key: (row["price"], row["list_price"], row["in_stock"]) for key, row in by_id.items()} == {
        "TB-BR": (99.0, 120.0, True),
        "TB-BK": (120.0, None, False),
        "LACE": (4.0, None, None),
    }
    assert by_id["TB-BR"]["category"] == by_id["TB-BK"]["category"] == ["Shoes > Boots", "Outdoor > Hiking"]
    assert by_id["LACE"]["category"] == ["Shoes > Care & Repair"]
    assert (by_id["TB-BR"]["image"], by_id["TB-BK"]["image"]) == (
        "https://example.com/3.jpg",
        "https://example.com/1.jpg",
    )
    assert by_id["LACE"]["availability"] == "backorder"
    assert by_id["TB-BK"]["colour"] == "Black"
    assert by_id["TB-BK"]["item_group"] == "11"
    assert result.lines("left out") == {6: "not published"}
    assert result.lines("unusable") == {7: "its parent is not in the feed"}
