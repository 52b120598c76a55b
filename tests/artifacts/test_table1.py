"""Table 1 has the figures of the card, in Markdown."""

import datetime

import pytest

from artifacts.dataset import DatasetCard, Overlap, PurchaseInterest, SplitStatistics, Window
from artifacts.table1 import table1

CARD = DatasetCard(
    catalog="/shop/catalog.parquet",
    catalog_sha256="0",
    judgments=None,
    training_window=Window(start=datetime.datetime(2025, 1, 1), end=datetime.datetime(2026, 1, 1)),
    evaluation_window=Window(start=datetime.datetime(2026, 1, 1), end=datetime.datetime(2026, 2, 1)),
    seed=0,
    train=SplitStatistics(pairs=5_400_836, queries=988_090, products=581_158),
    validation=SplitStatistics(pairs=7, queries=5, products=6),
    evaluation=SplitStatistics(pairs=150_179, queries=38_268, products=90_001),
    evaluation_queries_unseen=30_000,
    evaluation_overlap=Overlap(pairs=1_234, queries=8_268),
    interest=PurchaseInterest(weights={"purchase": 1, "click": 0.1}, threshold=2),
    catalog_products=3_384_067,
    files={},
)


def test_every_figure_of_the_card_is_in_the_table() -> None:
    assert table1(CARD).splitlines() == [
        "| Datasets        | # query-product pairs | # distinct queries | # distinct products |",
        "|:----------------|----------------------:|-------------------:|--------------------:|",
        "| Training Data   |             5,400,836 |            988,090 |             581,158 |",
        "| Validation Data |                     7 |                  5 |                   6 |",
        "| Evaluation Data |               150,179 |             38,268 |              90,001 |",
        "",
        "- Training from 2025-01-01 to 2026-01-01, evaluation from 2026-01-01 to 2026-02-01.",
        "- Training pairs: weights purchase 1, click 0.1, from 2 on. Evaluation pairs: purchases.",
        "- 30,000 of 38,268 evaluation queries have no training pair.",
        "- 1,234 of 150,179 evaluation pairs are training pairs too, 8,268 evaluation queries have a training pair.",
        "- The evaluation searches 3,384,067 products.",
    ]


@pytest.mark.parametrize(("field", "words"), [("evaluation_overlap", "pairs too"), ("catalog_products", "searches")])
def test_what_was_not_counted_is_left_out(field: str, words: str) -> None:
    assert words in table1(CARD)
    assert words not in table1(CARD.model_copy(update={field: None}))


def test_splits_of_another_data_set_have_no_windows() -> None:
    text = table1(CARD.model_copy(update={"training_window": None, "evaluation_window": None, "source": "ESCI small"}))
    assert "- Splits of ESCI small" in text and "Training from" not in text
