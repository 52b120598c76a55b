"""The page and the sentences of a self-test."""

from pathlib import Path

import pytest

from tests.support.html import parse
from tests.support.photos import write_photos
from vitrine.self_test.page import write_page
from vitrine.self_test.record import Answer, Findable, FoundProduct, SelfTest, read_self_test, write_self_test
from vitrine.self_test.words import first_hits, remarks, summary


def result_of(image: str | None = None) -> SelfTest:
    hits = [FoundProduct(product_id="1", title="<b>Mug", score=0.5, price="7.5", image=image)]
    return SelfTest(
        index_version="v1",
        products=1000,
        sampled=200,
        depth=10,
        seed=0,
        findable=[
            Findable(by="own title", with_value=200, found=190, possible=200),
            Findable(by="brand and type", with_value=100, found=40, possible=60, first_hits_right=0.9),
            Findable(by="product id", with_value=200, found=2, possible=200),
            Findable(by="gtin", with_value=0, found=0, possible=0),
        ],
        answers=[
            Answer(query="red mug", kind="type", made_from="1", hits=hits),
            Answer(query="a lamp", kind="type", made_from="2", hits=[]),
        ],
    )


def test_the_page_loads_nothing_and_shows_numbers_hits_and_photos(tmp_path: Path) -> None:
    (photo,) = write_photos(tmp_path, 1)
    write_page(tmp_path / "page.html", result_of(photo), tmp_path)
    text = (tmp_path / "page.html").read_text()
    page = parse(text)
    assert page.rows()[1:] == [
        ["own title", "95 %", "91 to 97 %", "190 of 200"],
        [
            "brand and type",
            "40 %",
            "31 to 50 %",
            "40 of 100; at most 60 % possible; of the first hits that could have both, 90 % do",
        ],
        ["product id", "1 %", "0 to 4 %", "2 of 200"],
        ["gtin", "", "", "no product of the sample has one"],
    ]
    (shown,) = page.all("img")
    assert (shown.attributes["src"] or "").startswith("data:image/webp;base64,")
    assert "<b>Mug" not in text and "&lt;b&gt;Mug" in text and "://" not in text
    assert "200 of 1,000 products, drawn at random, were searched" in text
    assert "Nothing was found." in text and "width=device-width" in text and "prefers-color-scheme: dark" in text


def test_what_cannot_be_found_is_said() -> None:
    said = " ".join(remarks(result_of()))
    assert "A search by product id does not find its product" in said and "gtin" not in said
    assert "More than 10 products share a brand and a type" in said
    assert summary(result_of()) == (
        "Of 200 products, found within 10 by: own title 95 %, brand and type 40 % (at most 60 % possible), "
        "product id 1 %, gtin not in the catalogue"
    )


def test_first_hits_are_shown_as_a_terminal_can_show_them() -> None:
    result = result_of()
    hit = result.answers[0].hits[0].model_copy(update={"title": "Red \x1b[31mmug"})
    answers = [result.answers[0].model_copy(update={"hits": [hit] * 5}), *result.answers[1:]]
    line = "  0.500  Red \\x1b[31mmug  [1]"
    assert first_hits(result.model_copy(update={"answers": answers})) == ["red mug:", line, line, line, "a lamp:"]


def test_a_ranking_that_finds_numbers_is_named() -> None:
    result = result_of()
    hybrid = Findable(by="product id, hybrid ranking", with_value=200, found=200, possible=200)
    said = " ".join(remarks(result.model_copy(update={"findable": [*result.findable, hybrid]})))
    assert 'With "ranking": "hybrid" in the request a search by product id finds its product' in said


def test_titles_that_are_not_found_are_a_fault_that_is_said() -> None:
    result = result_of()
    findable = [result.findable[0].model_copy(update={"found": 10, "refused": 3}), *result.findable[1:]]
    said = " ".join(remarks(result.model_copy(update={"findable": findable})))
    assert "Less than half of the products are found by their own title" in said and "refused 3 of the searches" in said


@pytest.mark.parametrize("content", [None, "{", '{"schema_version": 0}'])
def test_a_saved_self_test_is_read_again_or_there_is_none(content: str | None, tmp_path: Path) -> None:
    if content is None:
        write_self_test(tmp_path / "self-test.json", result_of())
        assert read_self_test(tmp_path / "self-test.json") == result_of()
    else:
        (tmp_path / "self-test.json").write_text(content)
        assert read_self_test(tmp_path / "self-test.json") is None
