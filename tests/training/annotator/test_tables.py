"""The printed tables say what the card says."""

from pathlib import Path

from artifacts.annotator import read_annotator
from tests.support.annotators import tiny_annotator
from training.annotator.tables import report_tables


def test_tables(tmp_path: Path) -> None:
    tiny_annotator(tmp_path / "a", threshold=0.625)
    text = report_tables(read_annotator(tmp_path / "a").card)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "temperature 1.000; abstains below a confidence of 0.625, chosen for 85% right labels" in lines
    assert "labels 100.0% of the held-out pairs, by label judged: E 100.0%, S -, C -, I -" in lines
    assert lines.count("judged precision recall F1 pairs as E as S as C as I") == 2
    assert lines.count("E 100.0% 100.0% 100.0% 1 1 0 0 0") == 2
    assert lines.count("C - - - 0 0 0 0 0") == 2
    assert "0.0 to 1.0 1 75.0% 100.0%" in lines
