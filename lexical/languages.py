"""The language of a shop's texts, and the stems of its words."""

from collections import Counter
from collections.abc import Iterable

import tantivy

from lexical.tokens import tokenize

# Small words of one language that are no words of the others, nor words that shops use in any language.
_SMALL_WORDS = {
    "english": "the and with for of from your",
    "german": "und fur fuer mit der die das aus zum",
    "french": "et pour avec les des du sans aux",
    "spanish": "y con los las del sin",
    "italian": "della delle gli degli senza",
    "portuguese": "com em uma dos sem",
    "dutch": "voor met het een zonder",
    "swedish": "och till utan",
    "danish": "og til uden ikke",
    "finnish": "ja kanssa ilman",
    "russian": "и для из на без",
    "hungarian": "es az nelkul egy",
    "romanian": "si cu pentru din fara",
    "turkish": "ve icin ile bir",
}
_LANGUAGES_OF = {word: language for language, words in _SMALL_WORDS.items() for word in words.split()}
DEFAULT = "english"
LANGUAGES = (
    *("arabic", "danish", "dutch", "english", "finnish", "french", "german", "greek", "hungarian", "italian"),
    *("norwegian", "portuguese", "romanian", "russian", "spanish", "swedish", "tamil", "turkish"),
)


def guess_language(texts: Iterable[str]) -> str:
    """Return the language most of whose small words stand in some texts; English if they have none."""
    found = Counter(_LANGUAGES_OF[word] for text in texts for word in tokenize(text) if word in _LANGUAGES_OF)
    return max(sorted(found), key=found.__getitem__, default=DEFAULT)


def stemmer_of(language: str | None) -> tantivy.TextAnalyzer:
    """Return what splits tokens at blanks and reduces each to its stem."""
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace())
    return (builder.filter(tantivy.Filter.stemmer(language)) if language else builder).build()
