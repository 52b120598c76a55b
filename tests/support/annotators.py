"""A tiny annotator with random weights, and a tiny world whose labels follow a rule of words."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from artifacts.annotator import (
    ANNOTATOR_TOKENIZER_FILE,
    ANNOTATOR_WEIGHTS_FILE,
    Agreement,
    AnnotatorOrigin,
    AnnotatorReport,
    CrossEncoderConfig,
    Labelling,
    LabelScores,
    QuerySplit,
    Reliability,
    ReliabilityBin,
    finish_annotator,
)
from artifacts.judgments import Relevance
from tests.support.models import shaken
from tests.support.specs import QUERY_TOKENS, TITLE_TOKENS, tiny_bert_config, tiny_tokenizer
from towers.cross_encoder import CrossEncoder

ALL_LABELS = tuple(Relevance)
LOOKS = ("red", "blue", "cotton")
PARTNER = {"shoe": "cap", "cap": "dress", "dress": "shoe", "toy": "pan", "pan": "toy"}
AUDIENCES = ("", " for women", " for men", " for kids")


def tiny_cross_encoder_config(outputs: int = 4) -> CrossEncoderConfig:
    """A cross-encoder of width 32."""
    return CrossEncoderConfig(
        body=tiny_bert_config(),
        outputs=outputs,
        query_tokens=QUERY_TOKENS,
        title_tokens=TITLE_TOKENS,
        attribute_tokens=TITLE_TOKENS,
    )


def tiny_annotator(
    path: Path,
    *,
    labels: tuple[Relevance, ...] = ALL_LABELS,
    attributes: tuple[str, ...] = (),
    threshold: float = 0.0,
    temperature: float = 1.0,
) -> None:
    """Write an annotator's folder with random weights."""
    config = tiny_cross_encoder_config(len(labels))
    torch.manual_seed(0)
    path.mkdir()
    save_file(shaken(CrossEncoder(config)).state_dict(), path / ANNOTATOR_WEIGHTS_FILE)
    tiny_tokenizer().save(str(path / ANNOTATOR_TOKENIZER_FILE))
    labelling = Labelling(
        labels=labels, attributes=attributes, model=config, temperature=temperature, threshold=threshold
    )
    finish_annotator(path, labelling, tiny_report(), tiny_annotator_origin())


def tiny_report() -> AnnotatorReport:
    """A report over one pair that was labelled right."""
    scores = {label: LabelScores(precision=None, recall=None, f1=None, support=0) for label in ALL_LABELS}
    scores[Relevance.EXACT] = LabelScores(precision=1.0, recall=1.0, f1=1.0, support=1)
    confusion = ((1, 0, 0, 0), *(((0, 0, 0, 0),) * 3))
    agreement = Agreement(pairs=1, accuracy=1.0, by_label=scores, confusion=confusion)
    part = ReliabilityBin(low=0.0, high=1.0, pairs=1, confidence=0.75, accuracy=1.0)
    reliability = Reliability(expected_calibration_error=0.25, bins=(part,))
    return AnnotatorReport(
        queries=1,
        pairs=1,
        forced=agreement,
        given=agreement,
        coverage=1.0,
        coverage_by_label={**dict.fromkeys(ALL_LABELS), Relevance.EXACT: 1.0},
        before_calibration=reliability,
        after_calibration=reliability,
    )


def tiny_annotator_origin() -> AnnotatorOrigin:
    """How the tiny annotators came to be."""
    return AnnotatorOrigin(
        name="tiny",
        judgments_sha256="0" * 64,
        catalog_sha256="1" * 64,
        bibert_fingerprint=None,
        precision=0.85,
        split=QuerySplit(fit_queries=8, fit_pairs=8, calibration_queries=1, calibration_pairs=1, unknown_products=0),
        seed=0,
        steps=1,
        software={"torch": "2"},
        created_at="2026-11-01T00:00:00+00:00",
    )


def world_label(query: tuple[str, str], title: tuple[str, str]) -> str:
    """The rule of the tiny world; a query and a title are a look and a kind of product."""
    if title[1] == query[1]:
        return "E" if title[0] == query[0] else "S"
    return "C" if title[1] == PARTNER[query[1]] else "I"


def write_world(folder: Path, *, without: str = "", absent: str | None = None) -> None:
    """Write catalog.parquet and judgments.parquet of the tiny world, 12 judged products a query.

    Args:
        folder: must exist.
        without: labels whose judgments are left out.
        absent: the metadata of judgments.parquet, if any.
    """
    titles = [(look, kind) for look, kind in product(LOOKS, PARTNER) for _ in range(4)]
    catalog = {
        "product_id": [f"p{row}" for row in range(len(titles))],
        "title": [f"{look} {kind} {row % 4}" for row, (look, kind) in enumerate(titles)],
        "image": pa.array([None] * len(titles), pa.string()),
        "kind": [kind if row % 4 else None for row, (_, kind) in enumerate(titles)],
        "price": [float(row) for row in range(len(titles))],
        "in_stock": [row % 2 == 0 for row in range(len(titles))],
    }
    pq.write_table(pa.table(catalog), folder / "catalog.parquet")
    judged = list(_judged(titles, without))
    columns = {name: [row[place] for row in judged] for place, name in enumerate(("query", "product_id", "label"))}
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    pq.write_table(table.replace_schema_metadata({"absent": absent} if absent else None), folder / "judgments.parquet")


def _judged(titles: list[tuple[str, str]], without: str) -> Iterator[tuple[str, str, str]]:
    rng = np.random.default_rng(0)
    for look, kind, audience, turned in product(LOOKS, PARTNER, AUDIENCES, (False, True)):
        words = f"{kind} {look}" if turned else f"{look} {kind}"
        by_label: dict[str, list[int]] = {label: [] for label in "ESCI"}
        for row, title in enumerate(titles):
            by_label[world_label((look, kind), title)].append(row)
        for label, rows in by_label.items():
            for row in rng.choice(rows, 3, replace=False) if label not in without else ():
                yield f"{words}{audience}", f"p{row}", label
