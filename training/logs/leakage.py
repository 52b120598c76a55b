"""The check that a written data set does not let training see what it is evaluated on."""

from pathlib import Path
from typing import Any

from artifacts.dataset import SHOWN_FILE, Overlap
from training.errors import LeakageError
from training.logs.windows import Windows

_PAIR = ["query", "product_id"]


def check_leakage(folder: Path, windows: Windows, purchases: tuple[int, int], connection: Any) -> Overlap:
    """Check the tables of a data set as they are on disk.

    Args:
        folder: the folder with the five tables.
        windows: the data set's windows, which cannot overlap.
        purchases: the log's purchases in the training and in the evaluation window, counted independently of the pairs.
        connection: an embedded DuckDB.

    Returns:
        What evaluation and training have in common. Shoppers repeat the searches of others, so this is no leak.

    Raises:
        LeakageError: a validation query is in the training or the shown pairs, a seen negative is a positive of its
            query, or the pairs have more purchases than their window.
    """
    train, validation, evaluation, negatives = (
        connection.read_parquet(str(folder / f"{name}.parquet"))
        for name in ("train_pairs", "validation_pairs", "evaluation_pairs", "seen_negatives")
    )
    known = train.union(validation)
    _refuse(validation.semi_join(train, "query"), "validation queries have training pairs", "query")
    shown = connection.read_parquet(str(folder / SHOWN_FILE))
    _refuse(shown.semi_join(validation, "query"), "validation queries stand among the shown pairs", "query")
    _refuse(negatives.semi_join(known, _PAIR), "seen negatives are positives of their query", *_PAIR)
    trained, evaluated = _purchases(known), _purchases(evaluation)
    span = f"{windows.training.start:%Y-%m-%d} to {windows.training.end:%Y-%m-%d}"
    if trained > purchases[0]:
        raise LeakageError(
            f"the data set leaks: its training pairs hold {trained:,} purchases, "
            f"the log has {purchases[0]:,} in the training window, {span}"
        )
    if evaluated != purchases[1]:
        raise LeakageError(
            f"the data set leaks: its evaluation pairs hold {evaluated:,} purchases, "
            f"the log has {purchases[1]:,} in the evaluation window"
        )
    return Overlap(
        pairs=_count(evaluation.semi_join(train, _PAIR)),
        queries=_count(evaluation.semi_join(train, "query").select("query").distinct()),
    )


def _refuse(leaks: Any, what: str, *columns: str) -> None:
    """Raise LeakageError if there are rows, with their number and one of them."""
    found = leaks.select(*columns).distinct()
    count = _count(found)
    if count:
        first = found.order_by(list(columns)).limit(1).to_pyarrow().to_pylist()[0]
        named = ", ".join(f"{name} {value!r}" for name, value in first.items())
        raise LeakageError(f"the data set leaks: {count:,} {what}, one is {named}")


def _count(rows: Any) -> int:
    return int(rows.count().to_pyarrow().as_py())


def _purchases(pairs: Any) -> int:
    return int(pairs["purchases"].sum().to_pyarrow().as_py() or 0)
