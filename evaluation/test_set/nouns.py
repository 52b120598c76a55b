"""Singular and plural of the things that shops sell.

Only words of this list have another number: the rules of English would make plurals of brands and adjectives too.
Words that stand for one thing in the plural ("shorts", "sunglasses") are left out, and so are words that are another
word's name as well ("flat", "glass").
"""

_THINGS = """
    apron armchair backpack bag ball ballerina balloon band bangle basket battery bed belt bench bermuda bicycle
    bike bikini billfold blanket blazer blouse book boot bottle bowl box bracelet brolly brooch brush button-down
    cable camera candle cap capri car cardigan carpet case chain chair charger chino clock clutch coat comb couch
    cover cufflink cup cupboard curtain cushion deo deodorant desk doll drawer dress dupatta duvet earphone earring
    eyeliner flask flip-flop flipflop floater flop fork fragrance frock gloss glove gown handbag handkerchief hat
    headphone heel hoodie jacket jar jean jegging jogger jug jumper kettle keyboard kite knife kurta kurti lamp
    lantern laptop legging lehenga lipstick loafer locket lotion mat mattress mirror mitten moccasin moisturiser
    monitor mouse muffler mug napkin necklace necktie notebook pan pen pencil pendant perfume phone pillow plate
    polish pot pouch primer printer pullover pump purse puzzle pyjama quilt ring rucksack rug sandal saree sari
    scarf scooter shawl shelf shirt shoe skirt slider slipper sneaker sock sofa speaker spoon stiletto stocking
    stole stool suit suitcase sweater sweatshirt swimsuit t-shirt table tablecloth tablet teapot teddy tee thong
    tie toothbrush top tote towel toy tracksuit trainer tray trouser tshirt tunic umbrella vase vest waistcoat
    wallet wardrobe watch wrap wristwatch
"""

_IRREGULAR = {"knife": "knives", "mouse": "mice", "scarf": "scarves", "shelf": "shelves"}
_HISSING = ("s", "x", "z", "ch", "sh")
_VOWELS = "aeiou"


def plural(noun: str) -> str:
    """Return the plural of a noun in lower case."""
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if noun.endswith(_HISSING):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2] not in _VOWELS:
        return f"{noun[:-1]}ies"
    return f"{noun}s"


_PLURALS = {noun: plural(noun) for noun in _THINGS.split()}
_OTHER_NUMBER = _PLURALS | {many: one for one, many in _PLURALS.items()}


def other_number(word: str) -> str | None:
    """Return the plural of a thing in the singular, and the other way round; None for a word that is no known thing."""
    return _OTHER_NUMBER.get(word)
