"""Building an annotator from judgments: fitting, calibration, measurement, and its folder."""

import datetime
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from artifacts.annotator import (
    ANNOTATOR_TOKENIZER_FILE,
    ANNOTATOR_WEIGHTS_FILE,
    AnnotatorFolder,
    AnnotatorOrigin,
    AnnotatorReport,
    Labelling,
    QuerySplit,
    finish_annotator,
    read_annotator,
)
from artifacts.atomic import new_folder
from artifacts.bundle import ModelBundle
from artifacts.catalog import Catalog, read_catalog
from artifacts.checksums import sha256_of_file
from artifacts.judgments import Relevance, read_judgments
from towers.annotator import confidence, product_texts, score_pairs
from towers.cross_encoder import CrossEncoder
from towers.pair_tokens import Ints, PairTokens, pair_tokens
from training.annotator.calibration import calibrated
from training.annotator.fitting import FitPairs, fit_cross_encoder, nonsense_queries, steps_for
from training.annotator.judged import JudgedPairs, Part, judged_pairs, split_queries
from training.annotator.report import annotator_report
from training.annotator.start import AnnotatorStart, start_from_bibert, start_from_scratch


@dataclass(frozen=True)
class AnnotatorRequest:
    """What to fit and where to put it.

    Attributes:
        judgments: path of judgments.parquet.
        catalog: path of catalog.parquet.
        out: the annotator's folder.
        attributes: columns of the catalogue that are read after the title.
        bibert: a bundle whose BiBERT the annotator starts from; None: random weights.
        precision: the share of right labels for which the confidence threshold is chosen.
        seed: the seed of the split, the weights and the batches.
        steps: number of batches, in place of the one that follows from the number of judgments.
    """

    judgments: Path
    catalog: Path
    out: Path
    attributes: tuple[str, ...] = ()
    bibert: ModelBundle | None = None
    precision: float = 0.85
    seed: int = 0
    steps: int | None = None


@dataclass(frozen=True)
class _Material:
    """The judged pairs, their split, and the model and tokens that the fit starts from."""

    pairs: JudgedPairs
    parts: Ints  # (pairs,) the Part of each pair
    products: Ints  # (pairs,) places in the tokens' products
    start: AnnotatorStart
    tokens: PairTokens  # the judged queries, then the nonsense ones
    steps: int


def build_annotator(request: AnnotatorRequest) -> AnnotatorFolder:
    """Fit, calibrate, measure and write an annotator.

    Raises:
        JudgmentsError: the judgments or the bundle cannot be used, or no threshold reaches the precision.
        FormatError: a table is not in its format, or the catalogue lacks an attribute column.
        FileExistsError: there is something at `out`.
    """
    if request.out.exists():
        raise FileExistsError(f"{request.out} exists already; remove it or choose another --out")
    material = _read(request)
    model = material.start.model.to("cuda" if torch.cuda.is_available() else "cpu")
    _fit(model, material, request.seed)
    labelling, report = _measure(model, material, request)
    with new_folder(request.out) as folder:
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
        save_file(weights, folder / ANNOTATOR_WEIGHTS_FILE)
        (folder / ANNOTATOR_WEIGHTS_FILE).chmod(0o644)  # safetensors lets the owner alone read it
        material.start.tokenizer.save(str(folder / ANNOTATOR_TOKENIZER_FILE))
        finish_annotator(folder, labelling, report, _origin(request, material))
    return read_annotator(request.out)


def _read(request: AnnotatorRequest) -> _Material:
    catalog = read_catalog(request.catalog)
    pairs = judged_pairs(read_judgments(request.judgments), catalog)
    rows, products = np.unique(pairs.rows, return_inverse=True)
    texts = product_texts(catalog, request.attributes, rows)
    parts = split_queries(pairs.queries, request.seed)[pairs.query_numbers].astype(np.int64)
    torch.manual_seed(request.seed)
    start = _start(request, catalog, pairs, parts)
    rng = np.random.default_rng([request.seed, 1])
    queries = [*pairs.queries, *nonsense_queries(_fit_queries(pairs, parts), rng)]
    tokens = pair_tokens(start.tokenizer, start.model.config, queries, texts.titles, texts.attributes)
    steps = request.steps or steps_for(int((parts == Part.FIT).sum()))
    return _Material(pairs, parts, products, start, tokens, steps)


def _start(request: AnnotatorRequest, catalog: Catalog, pairs: JudgedPairs, parts: Ints) -> AnnotatorStart:
    if request.bibert:
        return start_from_bibert(request.bibert, len(pairs.labels))
    texts = product_texts(catalog, request.attributes, np.arange(len(catalog)))
    known = [*texts.titles, *(texts.attributes or ()), *_fit_queries(pairs, parts)]
    return start_from_scratch(known, len(pairs.labels))


def _fit_queries(pairs: JudgedPairs, parts: Ints) -> list[str]:
    return [pairs.queries[number] for number in np.unique(pairs.query_numbers[parts == Part.FIT])]


def _fit(model: CrossEncoder, material: _Material, seed: int) -> None:
    chosen, pairs = material.parts == Part.FIT, material.pairs
    fit_pairs = FitPairs(pairs.query_numbers[chosen], material.products[chosen], pairs.codes[chosen])
    nonsense = range(len(pairs.queries), len(material.tokens.queries.starts))
    rate = material.start.learning_rate
    fit_cross_encoder(model, material.tokens, fit_pairs, nonsense, material.steps, rate, seed)


def _measure(model: CrossEncoder, material: _Material, request: AnnotatorRequest) -> tuple[Labelling, AnnotatorReport]:
    pairs = material.pairs
    calibration, held_out = (np.flatnonzero(material.parts == part) for part in (Part.CALIBRATION, Part.HELD_OUT))
    logits, test_logits = (
        score_pairs(model, material.tokens, pairs.query_numbers[chosen], material.products[chosen])
        for chosen in (calibration, held_out)
    )
    temperature, threshold = calibrated(logits, pairs.codes[calibration], request.precision)
    codes = np.array([list(Relevance).index(label) for label in pairs.labels])
    report = annotator_report(
        queries=len(np.unique(pairs.query_numbers[held_out])),
        judged=codes[pairs.codes[held_out]],
        likeliest=codes[test_logits.argmax(axis=1)],
        raw=confidence(test_logits, 1.0),
        calibrated=confidence(test_logits, temperature),
        threshold=threshold,
    )
    labelling = Labelling(
        labels=pairs.labels,
        attributes=request.attributes,
        model=model.config,
        temperature=temperature,
        threshold=threshold,
    )
    return labelling, report


def _origin(request: AnnotatorRequest, material: _Material) -> AnnotatorOrigin:
    pairs, parts = material.pairs, material.parts

    def counts(part: Part) -> tuple[int, int]:
        chosen = pairs.query_numbers[parts == part]
        return len(np.unique(chosen)), len(chosen)

    (fit_queries, fit_pairs), (calibration_queries, calibration_pairs) = counts(Part.FIT), counts(Part.CALIBRATION)
    return AnnotatorOrigin(
        name=request.out.name,
        judgments_sha256=sha256_of_file(request.judgments),
        catalog_sha256=sha256_of_file(request.catalog),
        bibert_fingerprint=request.bibert.fingerprint if request.bibert else None,
        precision=request.precision,
        split=QuerySplit(
            fit_queries=fit_queries,
            fit_pairs=fit_pairs,
            calibration_queries=calibration_queries,
            calibration_pairs=calibration_pairs,
            unknown_products=pairs.unknown_products,
        ),
        seed=request.seed,
        steps=material.steps,
        software={name: importlib.metadata.version(name) for name in ("vitrine", "torch", "tokenizers")},
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
