"""The file of labels: one label for each query and product, shared by processes, readable by the evaluation."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from artifacts.judgments import Relevance, read_judgments
from service.core.errors import SettingsError
from service.shop_data.judgments import JudgmentFile

EXACT, IRRELEVANT = Relevance.EXACT, Relevance.IRRELEVANT


@pytest.fixture
def file(tmp_path: Path) -> JudgmentFile:
    return JudgmentFile(tmp_path / "judged.sqlite")


def test_the_last_label_counts(file: JudgmentFile, tmp_path: Path) -> None:
    file.put("red mug", "a", EXACT, "v1")
    file.put("red mug", "a", IRRELEVANT, "v1")
    file.put("red mug", "b", EXACT, "v1")
    file.put("old mug", "a", EXACT, "v1")
    file.put("red mug", "b", None, "v1")
    file.put("red mug", "none", None, "v1")
    assert file.labels("red mug") == {"a": "I"}
    assert file.labels("old mug") == {"a": "E"}
    assert file.labels("other") == {}
    assert file.counts() == (2, {"E": 1, "S": 0, "C": 0, "I": 1})
    assert JudgmentFile(tmp_path / "judged.sqlite").labels("red mug") == {"a": "I"}


def test_evaluation_reads_the_export(file: JudgmentFile, tmp_path: Path) -> None:
    for place, label in enumerate(Relevance):
        file.put("b 'quoted\" 漢", f"p{place}", label, "v1")
    file.put("a", "p0", EXACT, "v2")
    (tmp_path / "judgments.parquet").write_bytes(file.export())
    read = read_judgments(tmp_path / "judgments.parquet")
    assert not read.complete
    rows = [tuple(row.values()) for row in read.table.to_pylist()]
    quoted = "b 'quoted\" 漢"
    assert rows == [("a", "p0", "E"), *((quoted, f"p{place}", label.value) for place, label in enumerate(Relevance))]
    more = pq.read_table(tmp_path / "judgments.parquet")
    assert more["index_version"].to_pylist() == ["v2", "v1", "v1", "v1", "v1"]
    assert more["judged_at"].null_count == 0


def test_without_labels_the_export_is_empty_and_whole(file: JudgmentFile, tmp_path: Path) -> None:
    (tmp_path / "judgments.parquet").write_bytes(file.export())
    assert read_judgments(tmp_path / "judgments.parquet").table.num_rows == 0
    assert file.counts() == (0, {"E": 0, "S": 0, "C": 0, "I": 0})


def test_two_processes_may_label_at_once(tmp_path: Path) -> None:
    files = [JudgmentFile(tmp_path / "judged.sqlite") for _ in range(4)]

    def judge(number: int) -> None:
        for product in range(25):
            files[number].put(f"query {number}", f"p{product}", EXACT, "v1")

    threads = [threading.Thread(target=judge, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files[0].counts() == (4, {"E": 100, "S": 0, "C": 0, "I": 0})


def test_files_of_earlier_versions_get_the_one_form_of_each_query(file: JudgmentFile, tmp_path: Path) -> None:
    rows = [
        ("red mug", "a", "E", "2026-01-02T00:00:00+00:00"),
        ("\uff52ed\u200b mug", "a", "S", "2026-01-03T00:00:00+00:00"),
        ("red\x00mug", "a", "C", "2026-01-01T00:00:00+00:00"),
        ("red\x00mug", "b", "I", "2026-01-01T00:00:00+00:00"),
        ("\u200b", "a", "E", "2026-01-01T00:00:00+00:00"),
    ]
    with closing(sqlite3.connect(tmp_path / "judged.sqlite")) as connection, connection:
        connection.executemany("INSERT INTO judgments VALUES (?, ?, ?, ?, 'v1')", rows)
    for _ in range(2):
        file = JudgmentFile(tmp_path / "judged.sqlite")
        assert file.labels("red mug") == {"a": "S", "b": "I"}
        assert file.counts() == (1, {"E": 0, "S": 1, "C": 0, "I": 1})


def test_what_is_no_file_of_judgments_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("something else, of more than a few bytes" * 50)
    newer = sqlite3.connect(tmp_path / "newer")
    newer.execute("PRAGMA user_version = 2")
    newer.close()
    others = sqlite3.connect(tmp_path / "others")
    others.execute("CREATE TABLE shoppers (name TEXT)")
    others.close()
    for name, words in (
        ("text", "file is not a database"),
        ("newer", "its schema version is 2, this Vitrine reads 1"),
        ("others", "its schema version is 0, this Vitrine reads 1"),
        ("none/judged", "unable to open database file"),
    ):
        with pytest.raises(SettingsError) as caught:
            JudgmentFile(tmp_path / name)
        assert caught.value.faults == [f"VITRINE_JUDGMENTS is {str(tmp_path / name)!r}: no file of judgments: {words}"]
