"""Which product a row is: its id, or one that is made of its texts, and which products are repeats."""

import hashlib
from collections.abc import Sequence

MADE_PREFIX = "p-"
_BYTES = 6


class Ids:
    """The ids of the products so far, and in which line each was given first."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self._times_made: dict[str, int] = {}

    def first_line(self, product_id: str) -> int | None:
        """Return where an id was given first; None if it is new."""
        return self.lines.get(product_id)

    def keep(self, product_id: str, line: int) -> None:
        """Remember an id as that of a product."""
        self.lines[product_id] = line

    def make(self, parts: Sequence[str | None]) -> str:
        """Return an id that is the same whenever a product has the same texts, wherever it stands in the feed.

        Of several products with the same texts the second one ends with -2, and so on.
        """
        text = "\x1f".join(part or "" for part in parts)
        made = MADE_PREFIX + hashlib.blake2b(text.encode(), digest_size=_BYTES).hexdigest()
        times = self._times_made[made] = self._times_made.get(made, 0) + 1
        return made if times == 1 else f"{made}-{times}"


class Repeats:
    """Products with the same title and the same first photo as one before them.

    Attributes:
        products: how many there are, without the first ones.
        examples: title, id and id of the first one, of the first few.
    """

    def __init__(self) -> None:
        self._first: dict[bytes, tuple[str, str | None]] = {}  # id and item group
        self.products = 0
        self.examples = list[tuple[str, str, str]]()

    def group(self, product_id: str, title: str | None, photo: str | None, item_group: str | None) -> str:
        """Return the id of the first product with this title and photo, which may be this one.

        Variants of one product have the same title and photo by right: they are no repeats.
        """
        if title is None or photo is None:
            return product_id
        text = f"{' '.join(title.casefold().split())}\x1f{photo}"
        key = hashlib.blake2b(text.encode(), digest_size=10).digest()
        first, group = self._first.setdefault(key, (product_id, item_group))
        if first != product_id and (group is None or group != item_group):
            self.products += 1
            if len(self.examples) < 5:
                self.examples.append((title, product_id, first))
        return first
