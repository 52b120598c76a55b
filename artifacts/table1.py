"""The paper's Table 1 of a data set, in Markdown that a terminal shows as well."""

from artifacts.dataset import DatasetCard, SplitStatistics

TABLE1_FILE = "table1.md"


def table1(card: DatasetCard) -> str:
    """Return pairs, distinct queries and distinct products of each split, with notes on how they were counted.

    The paper's 3,384,067 evaluation products are those that its evaluation searches, more than its evaluation pairs.
    They correspond to the size of the catalogue, which is given below the table.
    """
    header = ("Datasets", "# query-product pairs", "# distinct queries", "# distinct products")
    rows = [
        header,
        _row("Training Data", card.train),
        _row("Validation Data", card.validation),
        _row("Evaluation Data", card.evaluation),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = [_line(row, widths) for row in rows]
    rule = "|" + "|".join([":" + "-" * (widths[0] + 1), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return "\n".join([lines[0], rule, *lines[1:], "", *_notes(card)])


def _row(name: str, split: SplitStatistics) -> tuple[str, str, str, str]:
    return name, f"{split.pairs:,}", f"{split.queries:,}", f"{split.products:,}"


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
    return f"| {' | '.join(cells)} |"


def _notes(card: DatasetCard) -> list[str]:
    training, evaluation, interest = card.training_window, card.evaluation_window, card.interest
    weights = ", ".join(f"{event} {weight:g}" for event, weight in interest.weights.items())
    notes = [f"Splits of {card.source}; no time windows, no purchases."]
    if card.made_from_catalog:
        notes = ["Queries made from the catalogue, held out by product; no log, no purchases."]
    if training and evaluation:
        notes = [
            f"Training from {training.start:%Y-%m-%d} to {training.end:%Y-%m-%d}, evaluation from "
            f"{evaluation.start:%Y-%m-%d} to {evaluation.end:%Y-%m-%d}.",
            f"Training pairs: weights {weights}, from {interest.threshold:g} on. Evaluation pairs: purchases.",
        ]
    notes += [
        f"{card.evaluation_queries_unseen:,} of {card.evaluation.queries:,} evaluation queries have no training pair.",
    ]
    if card.evaluation_overlap is not None:
        overlap = card.evaluation_overlap
        notes.append(
            f"{overlap.pairs:,} of {card.evaluation.pairs:,} evaluation pairs are training pairs too, "
            f"{overlap.queries:,} evaluation queries have a training pair."
        )
    if card.catalog_products is not None:
        notes.append(f"The evaluation searches {card.catalog_products:,} products.")
    return [f"- {note}" for note in notes]
