"""What the words of a catalogue's titles say, by how often and where they stand; no language is known beforehand."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log, log1p

from artifacts.query_text import normalise_query

_EDGES = re.compile(r"^[^\w]+|[^\w%\"”″]+$")
# Words that join others; shoppers seldom type them.
_ENGLISH = ("a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with")
_GERMAN = ("aus", "das", "der", "die", "für", "mit", "und", "von", "zu")
_ROMANCE = ("avec", "con", "da", "de", "des", "di", "du", "e", "el", "en", "et", "il", "la", "las", "le", "les", "los")
_JOINING = frozenset((*_ENGLISH, *_GERMAN, *_ROMANCE, "para", "per", "pour", "y"))
_DIGIT = re.compile(r"\d")
_CODE = re.compile(r"^(?=.*\d)(?=.*[^\W\d])[\w./-]{4,}$")  # letters and digits: wh-1000xm5


def words_of(title: str) -> list[str]:
    """Return the words of a title in their order, in small letters, without signs around them and without repeats."""
    words = (_EDGES.sub("", word) for word in normalise_query(title).split())
    return list(dict.fromkeys(word for word in words if word and word not in _JOINING))


def is_code(word: str) -> bool:
    """Return whether a word looks like a model number: letters and digits in one word of four signs or more."""
    return _CODE.match(word) is not None


@dataclass(frozen=True)
class TitleWords:
    """How often words stand in titles, and how much each says of the kind of product.

    Attributes:
        titles: the number of titles with each word.
        kinds: how much a word says of the category of its product; absent where it says nothing.
    """

    titles: Counter[str]
    kinds: dict[str, float]

    @classmethod
    def of(cls, titles: Sequence[list[str]], categories: Sequence[str | None]) -> "TitleWords":
        """Count the words of titles.

        A word says as much of a kind as the categories of its products differ from those of all products
        (Kullback-Leibler divergence), times the logarithm of the number of its titles: "backpack" says more than
        "black", and more than a name that stands in two titles.

        Args:
            titles: the words of each title, without repeats.
            categories: the category of each product; None where it has none.
        """
        counts: Counter[str] = Counter(word for words in titles for word in words)
        of_category = Counter(category for category in categories if category)
        together: Counter[tuple[str, str]] = Counter(
            (word, category) for words, category in zip(titles, categories, strict=True) if category for word in words
        )
        with_category: Counter[str] = Counter()
        for (word, _), count in together.items():
            with_category[word] += count
        everywhere = of_category.total()
        kinds: dict[str, float] = {}
        for (word, category), count in together.items():
            share = count / with_category[word]
            gain = share * log(share * everywhere / of_category[category])
            kinds[word] = kinds.get(word, 0.0) + gain * log1p(with_category[word])
        return cls(counts, {word: says for word, says in kinds.items() if says > 0})

    def kind(self, words: Sequence[str]) -> str | None:
        """Return the word of a title that says most of the kind of its product; None if none says anything."""
        known = [word for word in words if word in self.kinds and self.titles[word] > 1 and not _DIGIT.search(word)]
        return max(known, key=lambda word: self.kinds[word], default=None)
