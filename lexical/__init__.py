"""Search by words: an inverted index over products by row number, on the library tantivy.

It knows texts and row numbers only: no vectors, no catalogue and no version. A folder of words is written by
`write_words` and opened by `WordIndex`.
"""

from lexical.build import ProductTexts, digest_of, read_fields, write_words
from lexical.errors import LexicalError
from lexical.fields import Fields
from lexical.index import QueryWords, WordHits, WordIndex
from lexical.languages import LANGUAGES

__all__ = [
    "LANGUAGES",
    "Fields",
    "LexicalError",
    "ProductTexts",
    "QueryWords",
    "WordHits",
    "WordIndex",
    "digest_of",
    "read_fields",
    "write_words",
]
