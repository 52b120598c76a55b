"""What is shown of an import, with a feed that the importer reads."""

from pathlib import Path

import pytest

from artifacts.errors import DamagedError
from feeds.columns.mapping import read_mapping
from feeds.importing import Options, import_feed
from vitrine.steps.import_report import import_lines
from vitrine.steps.shop_facts import shop_facts

FEED = """id,title,brand,price,gtin
1,Red mug,Acme,"1,50 EUR",123
2,Red mug,Acme,"1,50 EUR",4006381333931
3,Blue bowl,Acme,cheap,
"""


def test_an_import_is_shown_in_a_line_with_where_its_report_is(tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text(FEED)
    shop = tmp_path / "shop"
    import_feed(tmp_path / "feed.csv", shop, Options())
    first = import_lines(shop)[0]
    assert first.startswith("3 rows, 3 products, 2 cells cannot be used; ") and first.endswith(
        f"see {shop / 'report.md'}"
    )
    assert shop_facts(shop / "catalog.parquet", shop / "interactions.parquet").products == 3


def test_a_question_is_shown_with_where_its_answer_goes(tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text(FEED.replace("1,50 EUR", "$1.50"))
    (tmp_path / "mapping.json").write_text('{"currency": "USD"}')
    import_feed(tmp_path / "feed.csv", tmp_path / "shop", Options())
    _, question, answer = import_lines(tmp_path / "shop")
    assert (
        question.startswith("? several currencies are written $")
        and 'for --mapping, for example {"currency": ' in answer
    )
    import_feed(tmp_path / "feed.csv", tmp_path / "shop", Options(read_mapping(tmp_path / "mapping.json")))
    assert len(import_lines(tmp_path / "shop")) == 1


def test_a_shop_that_was_not_imported_says_nothing_and_a_damaged_report_is_told(tmp_path: Path) -> None:
    assert import_lines(tmp_path) == []
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(DamagedError, match="is no report of an import"):
        import_lines(tmp_path)
