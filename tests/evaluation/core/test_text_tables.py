from evaluation.core.text_tables import Table, as_markdown, as_text

TABLE = Table("Title", ["model", "x", "y"], [["a", "1.0", "22.0"]], [["context", "-", "3.0"]], ["A note."])


def test_columns_for_a_terminal() -> None:
    assert as_text(TABLE).splitlines() == [
        "Title",
        "",
        "model      x     y",
        "a        1.0  22.0",
        "------------------",
        "context    -   3.0",
        "A note.",
    ]


def test_markdown() -> None:
    assert as_markdown(TABLE).splitlines() == [
        "## Title",
        "",
        "| model | x | y |",
        "| --- | ---: | ---: |",
        "| a | 1.0 | 22.0 |",
        "|  |  |  |",
        "| context | - | 3.0 |",
        "",
        "- A note.",
    ]
    assert "| a\\|b |" in as_markdown(Table("t", ["m"], [["a|b"]]))
