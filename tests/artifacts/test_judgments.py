"""judgments.parquet."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.errors import DamagedError, FormatError
from artifacts.judgments import JUDGMENT_COLUMNS, Relevance, read_judgments


def write(folder: Path, labels: list[str | None], **metadata: str) -> Path:
    path = folder / "judgments.parquet"
    count = len(labels)
    table = pa.table(
        {
            "query": ["q"] * count,
            "product_id": [str(number) for number in range(count)],
            "label": pa.array(labels, pa.string()),
            "annotator": ["x"] * count,
        }
    )
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


@pytest.mark.parametrize(
    ("metadata", "complete"),
    [({}, False), ({"absent": "unknown"}, False), ({"absent": "I"}, True), ({"other": "I"}, False)],
)
def test_judgments_say_whether_they_are_complete(tmp_path: Path, metadata: dict[str, str], complete: bool) -> None:
    judgments = read_judgments(write(tmp_path, ["E", "S", "C", "I"], **metadata))
    assert judgments.complete is complete
    assert judgments.table.column_names == list(JUDGMENT_COLUMNS)
    assert judgments.table["label"].to_pylist() == list(Relevance)


def test_queries_have_their_one_form(tmp_path: Path) -> None:
    path = write(tmp_path, ["E", "S", "C", "I"])
    queries = pa.array(["red mug", "  red\x0bmug ", "\uff52ed mug", "Red mug"]).dictionary_encode()
    table = pq.read_table(path)
    pq.write_table(table.set_column(0, "query", queries), path)
    assert read_judgments(path).table["query"].to_pylist() == ["red mug"] * 4
    not_utf8 = pa.array([b"caf\xe9"] * 4, pa.binary()).view(pa.string())
    pq.write_table(table.set_column(0, "query", not_utf8), path)
    with pytest.raises(FormatError, match="column query is not valid UTF-8"):
        read_judgments(path)


@pytest.mark.parametrize(
    ("labels", "metadata", "reason"),
    [
        (["E", "X"], {}, ": label 'X' is none of E, S, C, I"),
        (["e"], {}, ": label 'e' is none of E, S, C, I"),
        (["E", None], {}, ": label 'None' is none of E, S, C, I"),
        (["E"], {"absent": "E"}, ": the metadata `absent` is 'E', expected 'I' or 'unknown'"),
    ],
)
def test_bad_judgments_are_refused(
    tmp_path: Path, labels: list[str | None], metadata: dict[str, str], reason: str
) -> None:
    path = write(tmp_path, labels, **metadata)
    with pytest.raises(FormatError) as caught:
        read_judgments(path)
    assert str(caught.value) == f"{path}{reason}"


def test_no_judgments_at_all_are_read(tmp_path: Path) -> None:
    assert read_judgments(write(tmp_path, [])).table.num_rows == 0


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "judgments.parquet"
    pq.write_table(pa.table({"query": ["q"]}), path)
    with pytest.raises(FormatError) as caught:
        read_judgments(path)
    assert str(caught.value) == f"{path} lacks the columns product_id, label; it has query"


def test_a_missing_file_is_damage(tmp_path: Path) -> None:
    with pytest.raises(DamagedError):
        read_judgments(tmp_path / "judgments.parquet")


def test_two_labels_of_one_pair_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "judgments.parquet"
    rows = {"query": ["a", "red mug", "red  mug", "b", "b"], "product_id": list("pxxpp"), "label": list("EIESS")}
    pq.write_table(pa.table(rows), path)
    with pytest.raises(FormatError) as caught:
        read_judgments(path)
    assert str(caught.value) == (
        f"{path}: 1 pairs of a query and a product have more than one label, such as 'red mug' and 'x' with E and I; "
        "keep one label for each pair"
    )
