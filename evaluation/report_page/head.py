"""The head of the page: the evaluated models, the data set and the main findings."""

import datetime
from dataclasses import dataclass

from artifacts.dataset import DatasetCard
from evaluation.report_page.inputs import ReportInputs
from evaluation.report_page.tables import SIGNIFICANCE
from evaluation.report_page.words import day, percent, short, signed, span
from evaluation.results.records import Comparison, Difference, LabelShares, Result


@dataclass(frozen=True)
class Fact:
    """A named fact, such as the number of queries."""

    name: str
    value: str


@dataclass(frozen=True)
class Split:
    """A row of Table 1: the size of one split of the data set."""

    name: str
    window: str
    pairs: int
    queries: int
    products: int


@dataclass(frozen=True)
class Model:
    """Origin of a model, a row of the list of models."""

    name: str
    description: str
    fingerprint: str
    seed: str
    fitted: str
    software: str


@dataclass(frozen=True)
class Head:
    """Content of the page's head, and the list of models at its end."""

    date: str
    findings: list[str]
    facts: list[Fact]
    labels: list[str]  # sentences on the sources of labels
    splits: list[Split]
    provenance: str  # a sentence on the overlap of training and evaluation; may be empty
    models: list[Model]


def head(inputs: ReportInputs) -> Head:
    """Return the content of the head."""
    card, first = inputs.dataset.card, inputs.results[0]
    facts = [
        Fact("Queries", f"{first.queries:,}"),
        Fact("of them not in training", f"{card.evaluation_queries_unseen:,}"),
        Fact("Products searched", f"{first.products:,}"),
        Fact("Products retrieved a query", f"{first.depth:,}"),
        Fact("Models", str(sum(result.kind == "model" for result in inputs.results))),
        Fact("Data set", short(inputs.dataset.fingerprint)),
        Fact("Its seed", str(card.seed)),
    ]
    return Head(
        date=_date(inputs.results),
        findings=_findings(inputs),
        facts=facts,
        labels=_labels(inputs),
        splits=_splits(card),
        provenance=_provenance(card),
        models=[_model(result) for result in inputs.results],
    )


def _date(results: list[Result]) -> str:
    """Return the day on which the newest model was fitted; unlike today's date it is the same for the same results."""
    days = [result.origin.created_at for result in results if result.origin]
    return day(datetime.datetime.fromisoformat(max(days))) if days else ""


def _findings(inputs: ReportInputs) -> list[str]:
    """Return sentences that compare the featured model with the baseline, and one for each degenerate model."""
    faults = [f"{result.model} is degenerate: {result.degenerate}." for result in inputs.results if result.degenerate]
    comparison = inputs.comparisons.get(inputs.featured or "")
    if comparison is None:
        return faults
    recall = next(result.recall for result in inputs.measured if result.model == comparison.model)
    assert recall is not None  # it is measured
    shared = f"{comparison.overlap.mean:.0f} of {comparison.depth} products are the same"
    return [
        f"{comparison.model} finds {percent(recall.mean)} % of what was bought among {comparison.depth} products: "
        f"{_against(comparison.recall, comparison.baseline)}.",
        *_first_page_finding(comparison),
        f"Its lists are not {comparison.baseline}'s lists: on average {shared}.",
        *faults,
    ]


def _first_page_finding(comparison: Comparison) -> list[str]:
    """Say how the first ten products compare by nDCG, where both models have one."""
    difference = comparison.first_page.ndcg_at_10 if comparison.first_page else None
    return [f"Its first ten products by nDCG@10: {_against(difference, comparison.baseline)}."] if difference else []


def _against(difference: Difference, baseline: str) -> str:
    points = (
        f"{signed(difference.mean)} points against {baseline} {span(signed(difference.low), signed(difference.high))}"
    )
    return points if difference.p_value < SIGNIFICANCE else f"{points}, which may be chance"


def _labels(inputs: ReportInputs) -> list[str]:
    """Return sentences on the sources of labels and on the agreement of the annotator with the judges."""
    found: dict[str, LabelShares] = {}
    for result in inputs.measured:
        for source, shares in result.labels.items():
            found.setdefault(source, shares)
    if not found:
        return ["No labels: the shop has no judgments, and no annotator was given."]
    sentences = [_label_sentence(shares) for shares in found.values()]
    agreement = next((result.agreement for result in inputs.measured if result.agreement), None)
    if agreement and agreement.accuracy is not None:
        sentences.append(
            f"On {agreement.pairs:,} judged pairs the annotator gives the judges' label in "
            f"{percent(agreement.accuracy)} % of those that it labels; it abstains on {agreement.abstained:,}."
        )
    return sentences


def _label_sentence(shares: LabelShares) -> str:
    """Describe the labels of one model; the number of labelled pairs differs slightly between models."""
    left_out = f"{shares.unlabelled_pairs:,} pairs have no label and are left out"
    queries = f", and {shares.queries_left_out:,} queries without any" if shares.queries_left_out else ""
    return f"Labels of {shares.queries:,} queries from {shares.origin}: {shares.pairs:,} pairs; {left_out}{queries}."


def _splits(card: DatasetCard) -> list[Split]:
    training, evaluation = (
        f"{day(window.start)} to {day(window.end)}" if window else f"drawn by {card.source}"
        for window in (card.training_window, card.evaluation_window)
    )
    rows = [
        ("Training", training, card.train),
        ("Validation", training, card.validation),
        ("Evaluation", evaluation, card.evaluation),
    ]
    return [Split(name, window, found.pairs, found.queries, found.products) for name, window, found in rows]


def _provenance(card: DatasetCard) -> str:
    overlap = card.evaluation_overlap
    if overlap is None:
        return ""
    return f"Of the evaluation's pairs {overlap.pairs:,} are training pairs too, of its queries {overlap.queries:,}."


def _model(result: Result) -> Model:
    origin = result.origin
    return Model(
        name=result.model,
        description=result.description or (f"recipe {origin.name}" if origin else ""),
        fingerprint=short(result.model_fingerprint),
        seed="" if origin is None or origin.seed is None else str(origin.seed),
        fitted=day(datetime.datetime.fromisoformat(origin.created_at)) if origin else "",
        software=", ".join(f"{name} {version}" for name, version in sorted(origin.software.items())) if origin else "",
    )
