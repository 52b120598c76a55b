"""The fields of a product and the names that columns of feeds have for them, the likeliest first.

Names are compared without accents, capitals, blanks and signs. English, German, French, Spanish, Italian, Dutch,
Portuguese and Polish; Google Merchant, Meta, Shopify, WooCommerce, Magento, PrestaShop, Shopware and price comparisons.
"""

import re
import unicodedata

NAMES: dict[str, tuple[str, ...]] = {
    "id": (
        "id", "product_id",
        "seller_sku", "item_no", "product_no", "article_no", "item_nr", "sku", "item_id", "offer_id",
        "article_number", "item_number", "product_number",
        "product_code", "item_code", "asin", "uniq_id", "unique_id", "code", "reference", "ref", "entity_id",
        "variant_id", "handle", "artikelnummer", "artikel-nr", "artikelnr", "art.-nr.", "artnr", "artikel",
        "bestellnummer", "produktnummer", "référence", "référence produit", "code article", "código", "referencia",
        "codice", "codice articolo", "riferimento", "artikelcode", "kod", "kod produktu", "indeks", "pid", "no",
        "nr",
    ),
    "title": (
        "title", "name", "product_title", "product_name", "item_name", "item_title", "display_name",
        "product_display_name", "product", "item", "headline", "label", "short_title", "bezeichnung",
        "artikelbezeichnung", "produktname", "produktbezeichnung", "artikelname", "titel", "benennung", "titre",
        "nom", "nom du produit", "libellé", "désignation", "título", "nombre", "nombre del producto", "nome",
        "nome prodotto", "titolo", "denominazione", "naam", "productnaam", "nome do produto", "nazwa",
        "nazwa produktu", "tytuł", "název", "název produktu", "názov", "название", "наименование",
    ),
    "description": (
        "description", "product_description",
        "desc",
        "long_desc",
        "product_desc", "long_description", "body_html", "body", "full_description", "details",
        "content", "about_product", "short_description", "summary", "text", "beschreibung", "artikelbeschreibung",
        "produktbeschreibung", "langtext", "langbeschreibung", "kurzbeschreibung", "descriptif", "descripción",
        "descrizione", "omschrijving", "beschrijving", "descrição", "opis", "popis", "описание",
    ),
    "brand": (
        "brand", "brand_name", "vendor", "manufacturer", "make", "maker", "producer", "label_name", "marke",
        "hersteller", "markenname", "herstellername", "marque", "fabricant", "marca", "fabricante", "marchio",
        "produttore", "merk", "fabrikant", "marka", "producent", "výrobce", "značka", "бренд", "производитель",
    ),
    "price": (
        "price", "regular_price", "list_price", "actual_price", "retail_price", "original_price", "product_price",
        "unit_price", "base_price", "msrp", "rrp", "mrp", "compare_at_price", "price_incl_tax", "gross_price",
        "amount", "preis", "verkaufspreis", "vk-preis", "vk", "bruttopreis", "listenpreis", "uvp", "prix",
        "prix ttc", "prix de vente", "precio", "pvp", "prezzo", "prijs", "verkoopprijs", "preço", "cena",
        "cena brutto", "cena s dph", "price_vat", "цена",
    ),
    "sale_price": (
        "sale_price", "discount_price", "discounted_price", "special_price", "offer_price", "final_price",
        "promo_price", "selling_price", "our_price", "now_price", "price_now", "current_price", "reduced_price",
        "price_sale", "aktionspreis",
        "angebotspreis", "sonderpreis", "prix promo", "prix soldé", "prix remisé", "precio de oferta",
        "precio rebajado", "prezzo scontato", "actieprijs", "preço promocional", "cena promocyjna",
    ),
    "currency": (
        "currency", "currency_code", "price_currency", "währung", "devise", "moneda", "valuta", "moeda", "waluta",
        "měna",
    ),
    "availability": (
        "availability", "in_stock", "in_stock_y_n", "is_in_stock", "instock", "stock_status", "available",
        "is_available", "stock",
        "stock_quantity", "quantity", "qty", "inventory", "inventory_quantity", "stock_level", "verfügbarkeit",
        "verfügbar", "lieferbar", "lagerbestand", "bestand", "lager", "auf lager", "disponibilité", "disponible",
        "en stock", "disponibilidad", "existencias", "disponibilità", "disponibile", "giacenza", "beschikbaarheid",
        "voorraad", "op voorraad", "disponibilidade", "estoque", "dostępność", "stan", "skladem", "dostupnost",
        "наличие", "остаток",
    ),
    "category": (
        "product_type", "category", "categories", "category_path", "product_category", "product_category_tree",
        "category_tree", "categorypath", "breadcrumb", "breadcrumbs", "taxonomy", "department", "category_name",
        "type", "google_product_category", "kategorie", "kategorien", "warengruppe", "produktgruppe", "produkttyp",
        "rubrik", "catégorie", "catégories", "rayon", "famille", "categoría", "categorías", "categoria", "categorie",
        "familia", "reparto", "categorytext", "kategoria", "категория",
    ),
    "image": (
        "image", "image_link",
        "base_image", "image_url", "images", "main_image", "main_image_url", "image_src", "product_image",
        "primary_image", "img", "img_url", "imgurl", "image1", "image_1", "image_path", "image_file", "image_urls",
        "picture",
        "pic", "picture_url", "pictures", "photo", "photo_url", "photos", "thumbnail", "thumbnail_url", "bild",
        "bilder", "bild-url", "bildlink", "hauptbild", "artikelbild", "produktbild", "foto", "fotos",
        "image principale", "lien image", "url image", "imagen", "imágenes", "immagine", "immagini", "afbeelding",
        "afbeeldingen", "imagem", "imagens", "zdjęcie", "zdjęcia", "obrázek", "картинка", "изображение",
    ),
    "more_images": (
        "additional_image_link", "additional_image_links", "additional_images", "more_images", "other_images",
        "additional_image_url", "gallery", "image_gallery", "gallery_images", "media_gallery", "extra_images",
        "weitere bilder", "zusatzbilder", "images supplémentaires", "imágenes adicionales", "immagini aggiuntive",
        "imgurl_alternative",
    ),
    "item_group": (
        "item_group_id", "item_group", "parent_id", "parent_sku", "parent", "group_id", "variant_group", "model_id",
        "configurable_sku", "master_id", "style_id", "itemgroup_id", "gruppen-id", "vaterartikel", "hauptartikel",
    ),
    "gtin": (
        "gtin", "ean", "upc", "barcode", "gtin13", "gtin14", "ean13", "ean_code", "isbn", "isbn13", "jan",
        "ean-code", "gencod",
    ),
    "mpn": (
        "mpn", "manufacturer_part_number", "part_number", "model_number", "model_no", "manufacturer_number",
        "item_model_number", "herstellernummer", "hersteller-artikelnummer", "han", "modellnummer",
        "référence fabricant",
    ),
}  # fmt: skip
FIELDS = tuple(NAMES)

# What a product cost before, where the price beside it is what is paid now.
LIST_PRICES = (
    "old_price", "was", "was_price", "price_was", "compare_at_price", "original_price", "list_price", "msrp",
    "rrp", "mrp", "retail_price",
    "regular_price", "actual_price", "uvp", "streichpreis", "alter preis", "ancien prix", "prix barré",
    "precio anterior", "prezzo precedente", "adviesprijs", "cena regularna",
)  # fmt: skip
_ASIDE = re.compile(r"\s*[(\[][^()\[\]]*[)\]]|\*")

# Columns of one path of categories, from its first level on.
CATEGORY_LEVELS = (
    ("main_category", "sub_category"),
    ("category", "subcategory"),
    ("category", "sub_category"),
    ("category", "subcategory", "articletype"),
    ("mastercategory", "subcategory", "articletype"),
    ("hauptkategorie", "unterkategorie"),
    ("level_1", "level_2", "level_3"),
    ("category_1", "category_2", "category_3"),
    ("cat1", "cat2", "cat3"),
    ("category_l1", "category_l2", "category_l3"),
    ("department", "category", "subcategory"),
)
LINKS = (
    "link",
    "url",
    "product_url",
    "product_link",
    "permalink",
    "produktlink",
    "deeplink",
    "canonical_link",
    "item_url",
)
_LANGUAGES = frozenset({
    "en", "de", "fr", "es", "it", "nl", "pt", "pl", "cs", "sv", "da", "no", "fi", "hu", "ro", "tr", "ru", "uk", "ja",
    "zh", "ko", "ar", "el", "he", "default", "en_us", "en_gb", "de_de",
})  # fmt: skip
_AMOUNTS = frozenset({"amount", "value", "price", "gross", "sum"})
_PREFIXES = ("g:", "g_", "c:", "product.", "item.", "attributes.", "fields.", "variant ")


def comparable(name: str) -> str:
    """Return a name of a column without accents, capitals, blanks, signs and what stands in brackets."""
    name = _ASIDE.sub("", name) or name
    letters = unicodedata.normalize("NFKD", name.casefold()).replace("ß", "ss")
    return re.sub(r"[\W_]", "", "".join(letter for letter in letters if not unicodedata.combining(letter)))


_PLACES: dict[str, tuple[str, int]] = {}
for _field, _names in NAMES.items():
    for _place, _name in enumerate(_names):
        _PLACES.setdefault(comparable(_name), (_field, _place))


def field_of(column: str) -> tuple[str, int] | None:
    """Return the field that a column's name says, and how unlikely this is, from 0; None for all other names.

    Of a nested column the last names of its path count: name.en is the title, price.amount the price.
    """
    lowered = column.strip().casefold()
    for prefix in _PREFIXES:
        lowered = lowered.removeprefix(prefix)
    found = _PLACES.get(comparable(lowered))
    if found is not None:
        return found
    base, _, last = lowered.rpartition(".")
    if not base:
        return None
    if last in _LANGUAGES:
        found = _PLACES.get(comparable(base.rpartition(".")[2]))
        return (found[0], found[1] + 50 + (last not in ("en", "en_us", "en_gb", "default"))) if found else None
    if last in _AMOUNTS and (found := _PLACES.get(comparable(base.rpartition(".")[2]))) and "price" in found[0]:
        return found[0], found[1] + 50
    if last in ("src", "url", "href", "link", "image") and (found := _PLACES.get(comparable(base.rpartition(".")[2]))):
        return (found[0], found[1] + 50) if "image" in found[0] else None
    if last in ("currency", "currency_code"):
        return "currency", 50
    if last in ("name", "title") and (found := _PLACES.get(comparable(base))) and found[0] in ("brand", "category"):
        return found[0], found[1] + 50
    return None


def is_known(column: str) -> bool:
    """Return whether a text is the name of a column that feeds have; tells a header from a product."""
    return field_of(column) is not None or comparable(column) in _LINK_NAMES


_LINK_NAMES = frozenset(map(comparable, LINKS))


def is_link(column: str) -> bool:
    """Return whether a column's name says that it has the address of a product's page."""
    return comparable(column.casefold().removeprefix("g:")) in _LINK_NAMES
