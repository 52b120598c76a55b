"""The relevance annotator: a folder with a model that labels (query, product) pairs.

    annotator.json        the AnnotatorCard below: configuration, origin, quality, and SHA-256 of the other files
    weights.safetensors   the cross-encoder (towers/cross_encoder.py)
    tokenizer.json        Hugging Face `tokenizers` format

Its fingerprint is a SHA-256 over weights, tokenizer and the parts of the card that decide a label.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, model_validator

from artifacts.checksums import FileRecord, fingerprint_of, record_files, verify_files
from artifacts.errors import DamagedError
from artifacts.judgments import Relevance
from artifacts.records import Record, read_record, write_record
from artifacts.tower_specs import BertConfig

ANNOTATOR_SCHEMA_VERSION = 1
ANNOTATOR_FILE = "annotator.json"
ANNOTATOR_WEIGHTS_FILE = "weights.safetensors"
ANNOTATOR_TOKENIZER_FILE = "tokenizer.json"


class CrossEncoderConfig(Record):
    """Sizes of the cross-encoder, and how many tokens of each text it reads."""

    body: BertConfig
    outputs: int = Field(ge=2)  # one for each label that it can give
    query_tokens: int = Field(ge=2)  # longer texts are cut, the first special token included in the count
    title_tokens: int = Field(ge=2)
    attribute_tokens: int = Field(ge=2)

    @model_validator(mode="after")
    def _check(self) -> "CrossEncoderConfig":
        longest = max(self.query_tokens, self.title_tokens, self.attribute_tokens)
        if longest > self.body.max_positions:
            raise ValueError(f"a text may have {longest} tokens, but there are {self.body.max_positions} positions")
        return self


class Labelling(Record):
    """What decides a label besides weights and tokenizer."""

    labels: tuple[Relevance, ...]  # what the outputs stand for; labels that the judgments never use are left out
    attributes: tuple[str, ...]  # catalogue columns that are read after the title
    model: CrossEncoderConfig
    temperature: float = Field(gt=0)  # logits are divided by it
    threshold: float = Field(ge=0, le=1)  # it abstains if its highest probability is lower

    @model_validator(mode="after")
    def _check(self) -> "Labelling":
        if len(self.labels) != self.model.outputs or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"the model has {self.model.outputs} outputs for the labels {', '.join(self.labels)}")
        return self


class LabelScores(Record):
    """Quality of one label. None if there is nothing to divide by."""

    precision: float | None  # of the pairs that got the label, the share judged so
    recall: float | None  # of the pairs judged so, the share that got the label
    f1: float | None
    support: int  # pairs judged so


class Agreement(Record):
    """Labels of the annotator compared with judged labels."""

    pairs: int
    accuracy: float | None
    by_label: dict[Relevance, LabelScores]
    confusion: tuple[tuple[int, ...], ...]  # rows: judged, columns: given, both in the order of Relevance


class ReliabilityBin(Record):
    """Pairs whose confidence is in one range."""

    low: float
    high: float
    pairs: int
    confidence: float | None  # mean
    accuracy: float | None  # share of right labels


class Reliability(Record):
    """Calibration: how well confidence predicts accuracy."""

    expected_calibration_error: float  # mean |confidence - accuracy| of the bins, weighted by pairs
    bins: tuple[ReliabilityBin, ...]


class AnnotatorReport(Record):
    """Quality of the annotator on queries that were used neither for fitting nor for calibration."""

    queries: int
    pairs: int
    forced: Agreement  # without abstention
    given: Agreement  # the pairs that it labels
    coverage: float  # share of the pairs that it labels
    coverage_by_label: dict[Relevance, float | None]  # by the label judged
    before_calibration: Reliability
    after_calibration: Reliability


class QuerySplit(Record):
    """Numbers of queries and pairs for fitting and calibration."""

    fit_queries: int
    fit_pairs: int
    calibration_queries: int
    calibration_pairs: int
    unknown_products: int  # judgments left out because the catalogue lacks their product


class AnnotatorOrigin(Record):
    """How an annotator was made."""

    name: str
    judgments_sha256: str
    catalog_sha256: str
    bibert_fingerprint: str | None  # of the bundle that it started from
    precision: float  # share of right labels that the threshold was chosen for, on the calibration queries
    split: QuerySplit
    seed: int
    steps: int
    software: dict[str, str]
    created_at: str  # ISO 8601, UTC


class AnnotatorCard(Record):
    """The content of annotator.json."""

    schema_version: int = ANNOTATOR_SCHEMA_VERSION
    fingerprint: str
    labelling: Labelling
    report: AnnotatorReport
    origin: AnnotatorOrigin
    files: dict[str, FileRecord]


@dataclass(frozen=True)
class AnnotatorFolder:
    """A verified annotator on disk."""

    path: Path
    card: AnnotatorCard


def finish_annotator(folder: Path, labelling: Labelling, report: AnnotatorReport, origin: AnnotatorOrigin) -> None:
    """Complete a folder that holds weights and tokenizer by writing annotator.json."""
    files = record_files(folder)
    card = AnnotatorCard(
        fingerprint=_fingerprint(labelling, files), labelling=labelling, report=report, origin=origin, files=files
    )
    write_record(folder / ANNOTATOR_FILE, card)


def read_annotator(path: Path) -> AnnotatorFolder:
    """Verify every file of an annotator's folder and open it.

    Raises:
        DamagedError: a file, or the part of the card that decides a label, is missing or altered.
        FormatError: annotator.json is not what this version of Vitrine reads.
    """
    if not (path / ANNOTATOR_FILE).is_file():
        raise DamagedError(
            f"{path} is no annotator: it has no {ANNOTATOR_FILE}; make one with `python -m training annotator`"
        )
    card = read_record(path / ANNOTATOR_FILE, AnnotatorCard, schema_version=ANNOTATOR_SCHEMA_VERSION)
    verify_files(path, card.files)
    if _fingerprint(card.labelling, card.files) != card.fingerprint:
        raise DamagedError(f"{path / ANNOTATOR_FILE} does not have the fingerprint that it was written with")
    return AnnotatorFolder(path, card)


def _fingerprint(labelling: Labelling, files: dict[str, FileRecord]) -> str:
    text = f"{labelling.model_dump_json()}|{fingerprint_of(files)}"
    return hashlib.sha256(text.encode()).hexdigest()
