"""Rendered products: Python's JSON parser must read what the table holds."""

import datetime
import decimal
import json
import math

import numpy as np
import pyarrow as pa
import pytest

from artifacts import product_json
from artifacts.errors import FormatError
from service.worker.hit_table import HitTable
from service.worker.ranking import Explanation, Ranking

NASTY = [
    "plain", "", 'say "hi"', "back\\slash", "\\", '\\"', "new\nline", "tab\t\x00\x1f", "</script>",
    "ü 漢 😀 \u2028", "{}", "null", "\x7f",
]  # fmt: skip


def rendered(table: pa.Table, rows: list[int] | None = None) -> list[dict[str, object]]:
    """The hits for these rows, as a client reads them."""
    rows = list(range(table.num_rows)) if rows is None else rows
    scores = np.linspace(0.9, -0.5, max(len(rows), 1), dtype=np.float32)[: len(rows)]
    (content,) = HitTable(table).render([Ranking(np.array(rows, dtype=np.int64), scores)])
    hits: list[dict[str, object]] = json.loads(b"[%b]" % content)
    return hits


def catalogue(**attributes: object) -> pa.Table:
    """Products whose ids, titles and images are `NASTY`."""
    columns = {"product_id": NASTY, "title": NASTY[::-1], "image": [None, *NASTY[1:]]}
    return pa.table({**columns, **attributes})


def test_texts_come_through_whole() -> None:
    for hit, product_id, title, image in zip(
        rendered(catalogue()), NASTY, NASTY[::-1], [None, *NASTY[1:]], strict=True
    ):
        assert (hit["product_id"], hit["title"], hit["image"]) == (product_id, title, image)


def test_ranks_and_scores() -> None:
    hits = rendered(catalogue(), rows=[3, 0, 3])
    assert [hit["rank"] for hit in hits] == [1, 2, 3]
    assert [hit["score"] for hit in hits] == pytest.approx([0.9, 0.2, -0.5], abs=1e-6)
    assert [hit["product_id"] for hit in hits] == [NASTY[3], NASTY[0], NASTY[3]]


def test_no_hits() -> None:
    assert rendered(catalogue(), rows=[]) == []


def test_every_type_of_column() -> None:
    size = len(NASTY)

    def sized(values: list[object], kind: pa.DataType | None = None) -> pa.Array:
        return pa.array((values * size)[:size], kind)

    table = catalogue(
        numbers=sized([1, None, -(2**60)], pa.int64()),
        prices=sized([19.99, None, 1e30, 0.1], pa.float64()),
        prices32=sized([19.99, None], pa.float32()),
        odd=sized([math.nan, math.inf, -math.inf, 1.0], pa.float64()),
        flags=sized([True, False, None]),
        kinds=pa.array(NASTY).dictionary_encode(),
        large=pa.array(NASTY, pa.large_string()),
        tags=sized([["a", 'b"'], [], None]),
        parts=sized([{"w": 1}, None]),
        nothing=pa.nulls(size),
        **{'a "quoted" name': sized([1])},
    )
    hits = rendered(table)
    exact = ("numbers", "prices", "flags", "kinds", "large", "tags", "parts", "nothing", 'a "quoted" name')
    for name in exact:
        assert [hit[name] for hit in hits] == table[name].to_pylist(), name
    assert [hit["prices32"] for hit in hits][:2] == [19.99, None]  # the shortest number that is this float32
    assert [hit["odd"] for hit in hits][:4] == [None, None, None, 1.0]


def test_times_are_texts_and_decimals_are_numbers() -> None:
    size = len(NASTY)
    table = catalogue(
        day=[datetime.date(2026, 11, 21)] * size,
        cost=[decimal.Decimal("1.50")] * size,
        weight=pa.array([decimal.Decimal("-1200")] * size, pa.decimal128(6, -2)),
    )
    hit = rendered(table)[0]
    assert (hit["day"], hit["cost"], hit["weight"]) == ("2026-11-21", 1.5, -1200)


def test_fields_of_the_search_win_over_attributes() -> None:
    size = len(NASTY)
    hit = rendered(catalogue(rank=["first"] * size, score=[5.0] * size))[0]
    assert (hit["rank"], hit["score"]) == (1, pytest.approx(0.9))
    found = Ranking(np.array([0]), np.array([0.5], dtype=np.float32))
    (text,) = HitTable(catalogue(score=[5.0] * size)).render([found])
    assert text.count(b'"score"') == 1


@pytest.mark.parametrize("kind", ["scores", "cosines"])
def test_explanations(kind: str) -> None:
    values = {"text": np.array([0.5, -0.25], np.float32), "photo": np.array([np.nan, 0.125], np.float32)}
    rows, scores = np.array([3, 0]), np.array([0.5, 0.25], np.float32)
    found = Ranking(rows, scores, 4, explanation=Explanation(kind, values))  # type: ignore[arg-type]
    (content,) = HitTable(catalogue()).render([found])
    first, second = json.loads(b"[%b]" % content)
    told = {} if kind == "scores" else {"kind": "cosines"}
    assert first["explain"] == {**told, "text": 0.5, "photo": None}
    assert second["explain"] == {**told, "text": -0.25, "photo": 0.125}
    assert list(first)[:5] == ["rank", "score", "explain", "product_id", "title"]
    assert (first["rank"], second["product_id"]) == (4, NASTY[0])


def test_a_batch_is_rendered_as_its_pages_one_by_one() -> None:
    hits = HitTable(catalogue(price=[float(row) for row in range(len(NASTY))]))
    draw = np.random.default_rng(0)
    pages = [
        Ranking(draw.integers(0, len(NASTY), size), draw.uniform(-1, 1, size).astype(np.float32), first_rank)
        for size, first_rank in [(3, 1), (0, 1), (1, 1000), (100, 901), (0, 5)]
    ]
    explanation = Explanation("scores", {"text": np.array([0.5], np.float32), "photo": np.array([0.25], np.float32)})
    pages.append(Ranking(np.array([2]), np.array([0.75], np.float32), explanation=explanation))
    together = hits.render(pages)
    assert together == [content for page in pages for content in hits.render([page])]
    for page, content in zip(pages, together, strict=True):
        found = json.loads(b"[%b]" % content)
        assert [hit["rank"] for hit in found] == list(range(page.first_rank, page.first_rank + len(page.rows)))
        assert [hit["score"] for hit in found] == [float(f"{score:.6f}") for score in page.scores.tolist()]
        assert [hit["product_id"] for hit in found] == [NASTY[row] for row in page.rows]
        assert [hit["price"] for hit in found] == page.rows.tolist()
        assert ["explain" in hit for hit in found] == [page.explanation is not None] * len(found)
    assert hits.render([]) == []


def test_a_product_by_itself() -> None:
    for row, product_id in enumerate(NASTY):
        product = json.loads(HitTable(catalogue()).render_product(row))
        assert (product["product_id"], product["title"]) == (product_id, NASTY[::-1][row])


def test_the_image_entry_is_cut_out_of_the_product() -> None:
    keys = ['","image":"x', ',"image":null', '\\",\\"image\\":\\"', "a\\"]
    images = [None, "", 'a "b" \\ c\n', "images/größe 😀.jpg"]
    table = pa.table({"product_id": keys, "title": keys[::-1], "image": pa.array(images, pa.string()), "more": keys})
    hits = HitTable(table)
    assert [json.loads(hits.image(row)) for row in range(4)] == images
    assert hits.image(0) == b"null"
    assert [json.loads(hits.render_product(row))["image"] for row in range(4)] == images


def test_products_over_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product_json, "_ROWS_AT_ONCE", 4)
    table = catalogue(number=list(range(len(NASTY))))
    assert [hit["number"] for hit in rendered(table, rows=[12, 3, 4, 0])] == [12, 3, 4, 0]


def test_a_missing_title_is_empty() -> None:
    table = pa.table({"product_id": ["a"], "title": pa.nulls(1, pa.string()), "image": pa.nulls(1, pa.string())})
    assert rendered(table)[0]["title"] == ""


def test_broken_text_is_refused() -> None:
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 2], dtype=np.int32)), pa.py_buffer(b"\xff\xfe")]
    )
    table = pa.table({"product_id": ["a"], "title": broken, "image": ["i"]})
    with pytest.raises(FormatError, match="column title of the products is not valid UTF-8"):
        HitTable(table)
