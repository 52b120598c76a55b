from artifacts.bundle import ModelOrigin
from evaluation.core.text_tables import as_text
from evaluation.results.records import (
    Agreement,
    Comparison,
    Difference,
    FirstPage,
    FirstPageDifferences,
    Interval,
    LabelShares,
    Measured,
    NetLabels,
    Result,
    Spread,
)
from evaluation.tables.all_tables import all_tables, differences_tables, table_2, table_3, table_4
from evaluation.tables.main_table import main_table

HALF = Interval(mean=0.625, low=0.61, high=0.64)
QUARTERS = {label: Interval(mean=0.25, low=0.24, high=0.26) for label in "ESCI"}
TENTH = Measured(mean=0.1, low=0.08, high=0.12, queries=880)
PAGE = FirstPage(mrr=TENTH, ndcg_at_10=TENTH, unjudged_at_10=0.0, exact_at_10={"judged": TENTH})
GAP = Difference(mean=0.012, low=-0.001, high=0.025, p_value=0.0712, queries=9)


def origin() -> ModelOrigin:
    return ModelOrigin(name="clip", recipe={}, dataset_fingerprint="d" * 64, created_at="2026-11-01T00:00:00+00:00")


def result(name: str, **changes: object) -> Result:
    labels = LabelShares(
        origin="complete judgments", queries=990, queries_left_out=10, pairs=99_000, unlabelled_pairs=3,
        precision=QUARTERS,
    )  # fmt: skip
    record = Result(
        model=name, kind="model", description="", model_fingerprint="f" * 64, dataset_fingerprint="d" * 64,
        annotator_fingerprint=None, origin=None, products=5000, queries=1200, degenerate=None, recall=HALF,
        recall_at={10: HALF, 100: HALF}, labels={"judged": labels}, agreement=None, first_page=PAGE, files={},
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
    page = FirstPage(mrr=TENTH, ndcg_at_10=None, unjudged_at_10=None, exact_at_10={})
    (main, first, second) = all_tables([result("cat", labels={}, first_page=page)], [])
    assert main.rows == [["cat", "-", "10.0 +-2.0", "-", "-", "62.5 +-1.5", "62.5 +-1.5"]]
    assert "No nDCG@10: no query has a relevant product by judgments." in main.notes
    assert first.rows == [["cat", "62.5 +-1.5", "-", "-", "-", "-"]]
    assert first.notes[0] == "1,200 queries, 5,000 products; no relevance labels."
    assert second.header == ["model", "@10", "@100"]


def test_labels_of_two_sources_stand_in_two_tables_and_agreement_by_the_annotators() -> None:
    labels = result("cat").labels["judged"].model_copy(update={"origin": "annotator says"})
    agreement = Agreement(pairs=50, abstained=4, accuracy=0.9)
    both = result("cat", labels={"judged": labels, "annotated": labels}, agreement=agreement)
    _, judged, annotated, _ = all_tables([both], [])
    sentence = "both labels agree: cat 90.0%. Share of the judged pairs that the annotator labels: cat 92.0%."
    assert any(sentence in note for note in annotated.notes) and not any(sentence in note for note in judged.notes)
    assert "labels from annotator says" in annotated.notes[0]


def test_tables_3_and_4_and_differences() -> None:
    found, kinds = [comparison("cat")], {"cat": "model"}
    assert table_3(found, kinds).rows == [["cat", "39.0", "21.0"]]
    table = table_4(found, kinds, "judged")
    assert table.rows == [["cat", "(61, 21)", "62.5 +-1.5", *["25.0 +-1.0"] * 4]]
    assert "they have no labelled net prediction: 100; pairs left out without a label: 2." in table.notes[1]
    (differences,) = differences_tables(found)  # of older results, which lack the first page
    assert differences.rows == [["cat - bibert", "+1.20 [-0.10, +2.50] p=0.071", *["+1.20 [-0.10, +2.50] p<0.001"] * 4]]
    assert len([as_text(table) for table in all_tables([result("cat")], found)]) == 6


def test_the_main_table_shows_the_first_page_and_three_recalls() -> None:
    older = result("older", first_page=None)
    bad = result("bad", degenerate="all query vectors are alike", recall=None, recall_at={}, labels={}, first_page=None)
    table = main_table([result("cat"), older, bad, result("bm25", kind="context")])
    assert table.header == ["model", "nDCG@10", "MRR", "Exact@10", "Recall@1", "Recall@10", "Recall@100"]
    tenth, half = "10.0 +-2.0", "62.5 +-1.5"
    assert table.rows == [
        ["cat", tenth, tenth, tenth, "-", half, half],  # no recall at 1 was measured
        ["older", "-", "-", "-", "-", half, half],
        ["bad", "degenerate", "-", "-", "-", "-", "-"],
    ]
    assert table.context_rows == [["bm25", tenth, tenth, tenth, "-", half, half]]
    assert (
        "nDCG@10: by judgments alone, over 880 queries that have a relevant product; gains Exact 1, Substitute 0.1, "
        "Complement 0.01, Irrelevant 0; products without a judgment (0.0% of the first 10) have the gain 0."
    ) in table.notes


def test_further_notes_stand_first_below_the_main_table() -> None:
    first, *others = all_tables([result("bibert")], [], ["clip is left out: there are no photos."])
    assert first.notes[0] == "clip is left out: there are no photos."
    assert not any("left out: there are" in note for table in others for note in table.notes)


def test_the_main_table_says_what_each_clip_was_trained_on() -> None:
    known = {
        name: result(name, origin=origin().model_copy(update={"clip_captions": captions}))
        for name, captions in (
            ("clip", "purchases"),
            ("4tmm-cat", "purchases"),
            ("clip-titles", "titles"),
            ("dfn", None),
        )
    }
    notes = main_table([*known.values(), result("bm25", kind="context")]).notes
    assert "CLIP trained on titles and on queries that bought the product: clip, 4tmm-cat." in notes
    assert "CLIP trained on titles alone: clip-titles." in notes
    assert not any(note.startswith("CLIP") for note in main_table([known["dfn"]]).notes)


def test_exact_at_10_has_a_column_for_each_source() -> None:
    more = TENTH.model_copy(update={"mean": 0.2})
    both = PAGE.model_copy(update={"exact_at_10": {"judged": TENTH, "annotated": more}, "unjudged_at_10": 0.25})
    table = main_table([result("cat", first_page=both), result("mlp")])
    assert table.header[3:5] == ["Exact@10, judged", "Exact@10, annotated"]
    assert [row[3:5] for row in table.rows] == [["10.0 +-2.0", "20.0 +-2.0"], ["10.0 +-2.0", "-"]]
    assert any("(cat 25.0%, mlp 0.0% of the first 10)" in note for note in table.notes)


def test_differences_of_the_first_page_have_a_table() -> None:
    page = FirstPageDifferences(recall_at={1: GAP}, mrr=GAP, ndcg_at_10=None, exact_at_10={"judged": GAP})
    table, labels = differences_tables([comparison("cat").model_copy(update={"first_page": page})])
    gap = "+1.20 [-0.10, +2.50] p=0.071"
    assert table.header == ["difference", "nDCG@10", "MRR", "Exact@10", "Recall@1", "Recall@10"]
    assert table.rows == [["cat - bibert", "-", gap, gap, gap, "-"]] and labels.header[1] == "Recall@100"
