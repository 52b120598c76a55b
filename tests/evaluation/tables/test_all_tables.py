from evaluation.core.text_tables import as_text
from evaluation.results.records import (
    Agreement,
    Comparison,
    Difference,
    Interval,
    LabelShares,
    NetLabels,
    Result,
    Spread,
)
from evaluation.tables.all_tables import all_tables, differences_tables, table_2, table_3, table_4

HALF = Interval(mean=0.625, low=0.61, high=0.64)
QUARTERS = {label: Interval(mean=0.25, low=0.24, high=0.26) for label in "ESCI"}
GAP = Difference(mean=0.012, low=-0.001, high=0.025, p_value=0.0712, queries=9)


def result(name: str, **changes: object) -> Result:
    labels = LabelShares(
        origin="complete judgments", queries=990, queries_left_out=10, pairs=99_000, unlabelled_pairs=3,
        precision=QUARTERS,
    )  # fmt: skip
    record = Result(
        model=name, kind="model", description="", model_fingerprint="f" * 64, dataset_fingerprint="d" * 64,
        annotator_fingerprint=None, origin=None, products=5000, queries=1200, degenerate=None, recall=HALF,
        recall_at={10: HALF, 100: HALF}, labels={"judged": labels}, agreement=None, files={},
    )  # fmt: skip
    return record.model_copy(update=changes)


def comparison(name: str) -> Comparison:
    net = NetLabels(queries=900, queries_left_out=100, unlabelled_pairs=2, precision=QUARTERS)
    return Comparison(
        model=name, baseline="bibert", model_fingerprint="f" * 64, baseline_fingerprint="b" * 64,
        dataset_fingerprint="d" * 64, depth=100, overlap=Spread(mean=39.04, deviation=21.0),
        net_count=Spread(mean=60.96, deviation=21.0), queries_without_net=4, net_recall=HALF,
        net_labels={"judged": net}, recall=GAP,
        labels={"judged": {label: GAP.model_copy(update={"p_value": 0.0001}) for label in "ESCI"}},
    )  # fmt: skip


def test_table_2_has_a_row_a_model_and_context_apart() -> None:
    table = table_2([result("cat"), result("bm25", kind="context", description="words alone")], "judged")
    row = ["62.5 +-1.5", *["25.0 +-1.0"] * 4]
    assert table.rows == [["cat", *row]] and table.context_rows == [["bm25", *row]]
    assert table.notes[0] == (
        "1,200 queries, 5,000 products; labels from complete judgments for 1,000 queries, "
        "pairs left out without a label: 3."
    )
    assert table.notes[-1] == "bm25: words alone."


def test_a_degenerate_model_has_no_numbers_but_a_reason() -> None:
    bad = result("bad", degenerate="all query vectors are alike", recall=None, recall_at={}, labels={})
    table = table_2([result("cat"), bad], "judged")
    assert table.rows[1] == ["bad", "degenerate", "-", "-", "-", "-"]
    assert table.notes[0] == "bad is degenerate: all query vectors are alike."


def test_without_labels_there_is_recall_alone() -> None:
    (first, second) = all_tables([result("cat", labels={})], [])
    assert first.rows == [["cat", "62.5 +-1.5", "-", "-", "-", "-"]]
    assert first.notes[0] == "1,200 queries, 5,000 products; no relevance labels."
    assert second.header == ["model", "@10", "@100"]


def test_labels_of_two_sources_stand_in_two_tables_and_agreement_by_the_annotators() -> None:
    labels = result("cat").labels["judged"].model_copy(update={"origin": "annotator says"})
    agreement = Agreement(pairs=50, abstained=4, accuracy=0.9)
    both = result("cat", labels={"judged": labels, "annotated": labels}, agreement=agreement)
    judged, annotated, _ = all_tables([both], [])
    sentence = "both labels agree: cat 90.0%. Share of the judged pairs that the annotator labels: cat 92.0%."
    assert any(sentence in note for note in annotated.notes) and not any(sentence in note for note in judged.notes)
    assert "labels from annotator says" in annotated.notes[0]


def test_tables_3_and_4_and_differences() -> None:
    found, kinds = [comparison("cat")], {"cat": "model"}
    assert table_3(found, kinds).rows == [["cat", "39.0", "21.0"]]
    table = table_4(found, kinds, "judged")
    assert table.rows == [["cat", "(61, 21)", "62.5 +-1.5", *["25.0 +-1.0"] * 4]]
    assert "they have no labelled net prediction: 100; pairs left out without a label: 2." in table.notes[1]
    (differences,) = differences_tables(found)
    assert differences.rows == [["cat - bibert", "+1.20 [-0.10, +2.50] p=0.071", *["+1.20 [-0.10, +2.50] p<0.001"] * 4]]
    assert len([as_text(table) for table in all_tables([result("cat")], found)]) == 5
