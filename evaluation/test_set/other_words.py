"""Other words for the words of queries: synonyms, and names that a shop's shoppers may never have typed."""

from collections.abc import Collection, Mapping

from evaluation.test_set.nouns import plural

# Groups of synonyms, one per line; no word is in two groups. The words of a group can replace each other in any query
# of a shop. Words that are broader or narrower than another ("gown" and "dress"), or that change their meaning beside
# another word ("light blue"), are left out.
_SYNONYMS = """
    men, gents, gentlemen
    mens, male
    women, ladies
    womens, female
    kids, children
    grey, gray
    purple, violet
    maroon, burgundy
    gold, golden
    turquoise, aqua
    colour, color
    multicolour, multicoloured
    plain, solid
    striped, stripy
    checked, checkered
    floral, flowery
    dotted, spotted
    wool, woollen
    wood, wooden
    waterproof, rainproof
    foldable, folding
    handmade, handcrafted
    vintage, retro
    oversized, baggy
    casual, everyday, informal
    sports, athletic
    running, jogging
    gym, workout
    tshirt, t-shirt, tee
    tshirts, t-shirts, tees
    sweater, jumper, pullover
    sweaters, jumpers, pullovers
    trousers, pants, slacks
    jeans, denims
    dress, frock
    dresses, frocks
    saree, sari
    sarees, saris
    shoes, footwear
    sneaker, trainer
    sneakers, trainers
    backpack, rucksack
    backpacks, rucksacks
    wallet, billfold
    wallets, billfolds
    watch, wristwatch
    watches, wristwatches
    sunglasses, shades
    tie, necktie
    ties, neckties
    jewellery, jewelry
    perfume, fragrance, scent
    perfumes, fragrances, scents
    deodorant, deo
    sofa, couch
    cushion, pillow
    cushions, pillows
    mug, cup
    mugs, cups
    rug, carpet
    curtain, drape
    quilt, duvet
"""

# A word and its other names, by which a shopper could mean the same. They replace the word and not each other, and only
# where nobody typed them: those that a log holds are synonyms that a model can learn from it. All are single words.
_NAMES_OF_COLOURS = """
    beige: fawn, oatmeal, biscuit
    black: ebony, inky, raven
    blue: azure, sapphire, cerulean, cobalt
    brown: chestnut, umber, hazel, chocolate
    cream: eggshell, buttermilk
    gold, golden: gilded, gilt
    green: emerald, viridian, jade
    grey, gray: ashen, slate
    maroon, burgundy: oxblood, claret
    orange: tangerine, amber
    pink: rosy, fuchsia
    purple, violet: amethyst, aubergine, plum
    red: crimson, scarlet, ruby, vermilion
    silver: silvery, silvered
    turquoise: aquamarine, cyan
    white: snowy, alabaster
    yellow: lemony, canary, saffron
"""
_NAMES_OF_OTHERS = """
    canvas: sailcloth
    casual, everyday: informal
    ceramic: earthenware, pottery
    checked, checkered: chequered, plaid, tartan
    children, kids: youngsters
    dotted: spotted, spotty, dotty
    floral: flowered, flowery, blossomy
    foldable: collapsible
    formal: dressy, smart
    gym, workout: fitness, exercise
    handmade: handcrafted
    lightweight: featherlight, featherweight
    outdoor: alfresco
    oversized: outsize, baggy
    plain, solid: unpatterned, patternless
    plush: fluffy
    printed: patterned
    running: jogging
    shoe, shoes: footgear
    silk: silken, silky
    sports: athletic, sporting
    straw: wicker, raffia
    striped, stripes: banded, stripy, stripey
    sunglasses: sunnies
    toddler: infant
    trousers, pants: slacks, britches
    velvet: velour, velveteen
    vintage: retro
    waterproof: weatherproof, watertight, rainproof
    wedding: nuptial, bridal
    wood, wooden: timber
    wool, woollen: woolly
"""
_NAMES_OF_THINGS = """
    backpack, rucksack: knapsack, haversack
    bottle: canteen, flask
    bracelet, bangle: armlet, wristlet
    chair: seat
    coat: overcoat, topcoat
    cushion: pillow
    deodorant, deo: antiperspirant
    duvet, quilt: comforter, eiderdown
    earring: eardrop
    flipflop: jandal
    handbag, purse: pocketbook
    hat: headpiece
    jacket: blouson, windcheater
    lamp: luminaire
    lipstick: lippy
    mug, cup: beaker
    necklace: neckpiece, neckchain
    perfume, fragrance: scent
    plate: dish, platter
    polish: varnish
    rug: carpet
    scarf, muffler: neckerchief
    slipper: houseshoe
    sneaker, trainer: plimsoll, gymshoe
    sofa, couch: settee, davenport
    sweater, jumper, pullover: jersey
    teapot: teakettle
    umbrella: brolly, parasol
    vase: urn
    wallet, billfold: notecase
    watch, wristwatch: timepiece
"""

# A colour after one of these words, or after another colour, is a colour of its own: "navy blue", "sea green".
_SHADES = """
    baby bottle bright charcoal coffee dark deep denim electric fluorescent forest hot ice light lime metallic mint
    mushroom navy neon off olive pale rose royal sea sky steel
"""


def synonyms_of(word: str) -> list[str]:
    """Return the words that can replace a word, which is in lower case; none if it has no synonym here."""
    return _SYNONYMS_OF.get(word, [])


def unseen_names_of(word: str, before: str, logged: Collection[str]) -> list[str]:
    """Return the other names of a word that no logged query holds, in either number.

    Args:
        word: a word of a query, in lower case.
        before: the word before it, in lower case; empty for the first.
        logged: the words of the logged queries, in lower case.
    """
    if word in _COLOURS and (before in _SHADE_WORDS or before in _COLOURS):
        return []
    return [name for name in _NAMES_OF.get(word, ()) if name not in logged and _OTHER.get(name) not in logged]


def _groups(lines: str) -> list[list[str]]:
    return [_split(line) for line in lines.strip().splitlines()]


def _split(words: str) -> list[str]:
    """Split a text at its commas."""
    return [word.strip() for word in words.split(",")]


def _names(lines: str) -> dict[str, list[str]]:
    """Return the other names of each word, from lines of words, a colon, and their names."""
    found = [line.split(":") for line in lines.strip().splitlines()]
    return {word: _split(names) for words, names in found for word in _split(words)}


def _in_plural(names: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {plural(word): [plural(name) for name in others] for word, others in names.items()}


_SYNONYMS_OF = {word: [other for other in group if other != word] for group in _groups(_SYNONYMS) for word in group}
_SHADE_WORDS = frozenset(_SHADES.split())
_COLOURS = frozenset(_names(_NAMES_OF_COLOURS))
_THINGS = _names(_NAMES_OF_THINGS)
_NAMES_OF = _names(_NAMES_OF_COLOURS) | _names(_NAMES_OF_OTHERS) | _THINGS | _in_plural(_THINGS)
_ONE_AND_MANY = {name: plural(name) for names in _THINGS.values() for name in names}
_OTHER = _ONE_AND_MANY | {many: one for one, many in _ONE_AND_MANY.items()}  # the other number of a thing's name
