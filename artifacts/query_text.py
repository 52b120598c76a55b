"""The one form of a query's text, for everything that reads queries: the service, logs, judgments and evaluation.

What looks alike is alike afterwards, so that one text can be the key of caches and judgments, a line of the log and the
input of a model:

- Forms of one character become one (Unicode's NFKC): letters of full or half width, ligatures, Arabic letters by their
  place in a word, accents typed as marks of their own. Marks stay, since they tell words apart in most scripts.
- Forms that say something else without their form are kept: 10² is not 102, 3½ not 31/2, Lego™ not LegoTM, and an
  acute accent typed as an apostrophe is no blank.
- Each run of blanks and control characters becomes one blank, and those at both ends are removed.
- Characters that cannot be seen are removed: soft hyphens, direction marks, zero-width blanks, byte order marks. The
  two joiners stay where they belong to the spelling: in Arabic script, in the scripts of India and in emoji.
- Capital letters become small ones. The Turkish İ becomes an i without a second dot, and Σ at the end of a word ς.
"""

import re
import unicodedata

import pyarrow as pa

# Scripts stack a few marks on a letter (the Stream-Safe Text Format of Unicode allows this many). Python sorts marks in
# quadratic time: the 10,000 marks of a hostile query would take a third of a second.
_MOST_MARKS = 30
_FORMS_THAT_MATTER = ("<super>", "<sub>", "<fraction>", "<compat> 0020")  # the last: accents that stand alone
_KEPT = "".join(
    character
    for character in map(chr, range(0xA0, 0x3200))
    if unicodedata.decomposition(character).startswith(_FORMS_THAT_MATTER) and not character.isspace()
)
_SPLIT_AT_KEPT = re.compile(f"([{re.escape(_KEPT)}]+)")
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2800\u3164\uffa0"  # and three letters whose form is a blank
_UNSEEN = r"\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff"
_JOINERS = r"\u200c\u200d"
_JOINED = r"\u0600-\u1cff\u2190-\u2bff\ua800-\uabff\ufe0f\U00010a00-\U00011fff\U0001f000-\U0001faff"
_FIND_CONTROLS, _FIND_UNSEEN = re.compile(f"[{_CONTROLS}]"), re.compile(f"[{_UNSEEN}]")
_FIND_IDLE_JOINERS = re.compile(f"(?<![{_JOINED}])[{_JOINERS}]+")
_FIND_DOTTED_I = re.compile("i\u0307+")  # lower() makes it of the Turkish İ
_FIND_ODD = re.compile(f"[{_CONTROLS}{_UNSEEN}{_JOINERS}]")


def normalise_query(text: str) -> str:
    """Return the one form of a query's text; empty if nothing of it can be seen.

    The form of a form is itself. Lone surrogates, which no UTF-8 text has, are left to be refused by others.

    Args:
        text: what a shopper typed, a log holds, or a person judged.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.lower().split())
    if not unicodedata.is_normalized("NFKC", text) or _FIND_ODD.search(text):
        text = _FIND_UNSEEN.sub("", _FIND_CONTROLS.sub(" ", _drop_excess_marks(text)))
        text = _FIND_IDLE_JOINERS.sub("", _unify_forms(text))
        text = _unify_forms(text)  # once more: a mark can have moved to its letter
    if (small := text.lower()) != text or "\u0307" in text:
        small = _FIND_DOTTED_I.sub("i", small)
        text = _unify_forms(small)  # some letters with marks exist as small letters only
    return " ".join(text.split())


def normalise_queries(queries: pa.ChunkedArray) -> pa.Array:
    """Return the one form of each query of a column of strings; null stays null.

    Raises:
        UnicodeDecodeError: a query is not valid UTF-8.
    """
    encoded = queries.combine_chunks().dictionary_encode()
    forms = [normalise_query(query) for query in encoded.dictionary.to_pylist()]
    return pa.array(forms, pa.string()).take(encoded.indices)


def _unify_forms(text: str) -> str:
    parts = _SPLIT_AT_KEPT.split(text)  # every second part is kept
    parts[::2] = [unicodedata.normalize("NFKC", part) for part in parts[::2]]
    return "".join(parts)


def _drop_excess_marks(text: str) -> str:
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)
