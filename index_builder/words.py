"""The words of a version's products: an inverted index beside the vectors (lexical/)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from artifacts.catalog import CatalogStream
from artifacts.index_version import QUERY_FOLDER, WORDS_FOLDER
from artifacts.tokenizer_words import known_words
from artifacts.word_columns import field_texts, identifier_values, word_columns
from index_builder.core.errors import OptionError
from index_builder.core.progress import ProgressReporter
from lexical import LANGUAGES, Fields, ProductTexts, digest_of, write_words


@dataclass(frozen=True)
class WordsRequest:
    """How the words of products are written.

    Attributes:
        language: whose stems words are reduced to, such as `english`; None for the language of the titles.
    """

    language: str | None = None


def words_request(wanted: bool, language: str | None) -> WordsRequest | None:
    """Return the request that options of a command make.

    Raises:
        OptionError: there are no stems of the language, or it goes with no words.
    """
    if language is not None and language not in LANGUAGES:
        raise OptionError(f"--language is {language!r}: expected one of {', '.join(LANGUAGES)}")
    if language is not None and not wanted:
        raise OptionError("--language goes with words, which --no-words leaves out")
    return WordsRequest(language) if wanted else None


def write_product_words(
    folder: Path, products: CatalogStream, language: str | None, report: ProgressReporter
) -> Fields:
    """Write the words of a version's products into its folder.

    Args:
        folder: folder of the version, which has its query side: its tokenizers know words of the language.
        products: its products.
        language: whose stems words are reduced to; None for the language of the titles.
        report: receives a line.
    """
    report("indexing words")
    return write_words(folder / WORDS_FOLDER, _texts_of(products), language, known_words(folder / QUERY_FOLDER))


def have_same_words(products: CatalogStream, fields: Fields) -> bool:
    """Return whether products have the texts that words were made of."""
    return products.count == fields.count and digest_of(_texts_of(products)) == fields.texts_sha256


def _texts_of(products: CatalogStream) -> Iterator[ProductTexts]:
    for batch in products.batches(word_columns(products.schema)):
        yield ProductTexts(identifier_values(batch), field_texts(batch))
