"""Writes the words of products: an inverted index, identifiers and the vocabulary.

    words.json       what the folder contains (lexical/fields.py)
    index/           the inverted index, in the files of tantivy
    stems.npy, starts.npy, rows.npy, shares.npy    scores of given products (lexical/postings.py)
    vocabulary.txt, deletions.npy, spared.txt    for corrections (lexical/vocabulary.py)

The same products give the same bytes: one thread writes one segment, and files whose names tantivy draws by chance are
renamed.
"""

import functools
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tantivy

from lexical.errors import LexicalError
from lexical.fields import SCHEMA_VERSION, WEIGHTS, Fields
from lexical.identifiers import KINDS, identifier_terms
from lexical.languages import guess_language, stemmer_of
from lexical.postings import checksum
from lexical.postings_writer import PostingsWriter
from lexical.tokens import is_word, tokenize
from lexical.vocabulary import kept_words, write_vocabulary

SETTINGS_FILE, INDEX_FOLDER = "words.json", "index"
ROW, IDENTIFIERS = "row", "identifiers"
_AT_BLANKS = "at_blanks"
_BUFFER_BYTES = 2_000_000_000  # the most; only what the words need is taken
_LONGEST = 65_000  # bytes of a word; tantivy leaves out longer ones
_REMEMBERED = 500_000  # stems of words
_TEXT_FIELDS = tuple(field for field in WEIGHTS if field != "codes")


@dataclass(frozen=True)
class ProductTexts:
    """The texts of some products, in the order of their rows and in the form that queries have; "" where there is none.

    Attributes:
        identifiers: the values of each kind of identifier (lexical/identifiers.py).
        texts: the texts of each field (lexical/fields.py) besides `codes`.
    """

    identifiers: Mapping[str, Sequence[str]]
    texts: Mapping[str, Sequence[str]]


def write_words(
    folder: Path,
    products: Iterable[ProductTexts],
    language: str | None = None,
    language_words: Iterable[str] = (),
) -> Fields:
    """Write the words of products into a new folder.

    Args:
        folder: the folder.
        products: all products, in the order of their rows.
        language: whose stems words are reduced to, such as `english`; None for the language of the titles.
        language_words: words in small letters that are not corrected even if no product has them.
    """
    (folder / INDEX_FOLDER).mkdir(parents=True)
    batches = iter(products)
    first = next(batches, ProductTexts({}, {}))
    language = language or guess_language(first.texts.get("title", ()))
    with PostingsWriter(WEIGHTS) as postings:
        writing = _Writing(folder / INDEX_FOLDER, language, postings)
        for batch in itertools.chain([first], batches):
            for row in _rows(batch):
                writing.add(*row)
        writing.finish()
        postings.write(folder)
    write_vocabulary(folder, writing.products_with, language_words)
    weights = {field: weight for field, weight in WEIGHTS.items() if field in writing.used}
    fields = Fields(language, weights, writing.count, writing.digest.hexdigest())
    (folder / SETTINGS_FILE).write_text(fields.to_json(), encoding="utf-8", newline="\n")
    return fields


def read_fields(folder: Path) -> Fields:
    """Read what a folder of words contains.

    Raises:
        LexicalError: it is not of this release, or cannot be read.
    """
    file = folder / SETTINGS_FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        schema_version = content.pop("schema_version", None)
        if schema_version != SCHEMA_VERSION:
            version = f"schema version {schema_version}: this release reads {SCHEMA_VERSION}"
            raise LexicalError(f"{file} has {version}; build the words again")
        return Fields(**content)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise LexicalError(f"{file} cannot be read: {error}; build the words again") from error


def digest_of(products: Iterable[ProductTexts]) -> str:
    """Return the `texts_sha256` that the words of products have."""
    digest = hashlib.sha256()
    for batch in products:
        for identifiers, texts in _rows(batch):
            _add_to(digest, identifiers, texts)
    return digest.hexdigest()


def schema() -> tantivy.Schema:
    """Return the fields of the inverted index."""
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field(ROW, indexed=True, fast=True)
    builder.add_text_field(IDENTIFIERS, tokenizer_name=_AT_BLANKS, index_option="basic")
    for field in WEIGHTS:
        builder.add_text_field(field, tokenizer_name=_AT_BLANKS, index_option="freq")
    return builder.build()


def _rows(batch: ProductTexts) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield the identifiers and the texts of each product, in the order of KINDS and of the fields."""
    count = len(next(iter(batch.texts.values()), ()))
    nothing = [""] * count
    identifiers = zip(*(batch.identifiers.get(kind, nothing) for kind in KINDS), strict=True)
    texts = zip(*(batch.texts.get(field, nothing) for field in _TEXT_FIELDS), strict=True)
    return zip(identifiers, texts, strict=True)


def _add_to(digest: "hashlib._Hash", identifiers: tuple[str, ...], texts: tuple[str, ...]) -> None:
    digest.update("\x1f".join((*identifiers, *texts, "\n")).encode())


class _Writing:
    """An inverted index that is being written.

    Attributes:
        count: number of products so far.
        used: the fields in which a product has a word.
        products_with: how many products have each word.
        digest: of all texts.
    """

    def __init__(self, folder: Path, language: str | None, postings: PostingsWriter) -> None:
        self._folder = folder
        self._postings = postings
        self._stems_of = _stems_of(language)
        index = tantivy.Index(schema(), str(folder), reuse=False)
        index.register_tokenizer(_AT_BLANKS, stemmer_of(None))
        self._writer = index.writer(_BUFFER_BYTES, num_threads=1)
        self.count = 0
        self.used = set[str]()
        self.products_with = Counter[str]()
        self.digest = hashlib.sha256()

    def add(self, identifiers: tuple[str, ...], texts: tuple[str, ...]) -> None:
        """Add a product, whose row is the number of those before it."""
        _add_to(self.digest, identifiers, texts)
        document = tantivy.Document()
        document.add_unsigned(ROW, self.count)
        tokens = {field: tokenize(text) for field, text in zip(_TEXT_FIELDS, texts, strict=True) if text}
        words = {token for of_field in tokens.values() for token in of_field if is_word(token)}
        tokens["codes"] = [token for text in identifiers for token in tokenize(text)]
        checksums = {}
        for field, of_field in tokens.items():
            if stems := [stem for token in of_field for stem in self._stems_of(token)]:
                document.add_text(field, " ".join(stem for stem, _ in stems))
                checksums[field] = [number for _, number in stems]
        self.used.update(checksums)
        self._postings.add(checksums)
        terms = [term for kind, text in zip(KINDS, identifiers, strict=True) for term in identifier_terms(kind, text)]
        if terms:
            document.add_text(IDENTIFIERS, " ".join(terms))
        self.products_with.update(kept_words(words))
        self._writer.add_document(document)
        self.count += 1

    def finish(self) -> None:
        """Write everything to disk."""
        self._writer.commit()
        self._writer.wait_merging_threads()
        _name_by_number(self._folder)


def _stems_of(language: str | None) -> Callable[[str], list[tuple[str, int]]]:
    """Return what gives the stem of a word with its checksum; nothing for one that is too long to be found."""
    stemmer = stemmer_of(language)

    @functools.lru_cache(_REMEMBERED)
    def stems_of(token: str) -> list[tuple[str, int]]:
        return [(stem, checksum(stem)) for stem in stemmer.analyze(token) if len(stem.encode()) <= _LONGEST]

    return stems_of


def _name_by_number(folder: Path) -> None:
    """Rename the files of segments, whose names are drawn by chance, and remove locks and lists of files."""
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    for number, segment in enumerate(meta["segments"]):
        drawn = segment["segment_id"].replace("-", "")
        name = f"{number:032x}"
        for file in sorted(folder.glob(f"{drawn}.*")):
            file.rename(folder / f"{name}{file.suffix}")
        segment["segment_id"] = f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}"
    (folder / "meta.json").write_text(json.dumps(meta, sort_keys=True), encoding="utf-8", newline="\n")
    files = sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))
    for hidden in folder.glob(".*"):
        hidden.unlink()
    (folder / ".managed.json").write_text(json.dumps(files), encoding="utf-8", newline="\n")
