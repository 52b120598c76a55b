"""The self-test as a page: one file that loads nothing, for a phone as for a screen, light and dark."""

from pathlib import Path
from typing import Any

from artifacts.atomic import replace_file
from artifacts.html_page import render_page
from towers.thumbnails import thumbnail_uri
from vitrine.self_test.record import Answer, Findable, SelfTest
from vitrine.self_test.words import percent, remarks

_HITS_SHOWN = 5  # of each query


def write_page(path: Path, result: SelfTest, folder: Path) -> None:
    """Write the page of a self-test.

    Args:
        path: the file to replace.
        result: the numbers.
        folder: the folder of the catalogue's photos.
    """
    page = render_page(
        "vitrine.self_test",
        "self_test.html",
        result=result,
        rows=[_row(one) for one in result.findable],
        remarks=remarks(result),
        panels=[_panel(answer, folder) for answer in result.answers],
    )
    replace_file(path, page.encode())


def _row(one: Findable) -> dict[str, str]:
    if one.share is None or one.interval is None:
        return {"by": one.by, "share": "", "interval": "", "note": "no product of the sample has one"}
    low, high = one.interval
    notes = [f"{one.found:,} of {one.with_value:,}"]
    if one.possible < 0.995 * one.with_value:
        notes.append(f"at most {percent(one.possible / one.with_value)} possible")
    if one.first_hits_right is not None:
        notes.append(f"of the first hits that could have both, {percent(one.first_hits_right)} do")
    return {
        "by": one.by,
        "share": percent(one.share),
        "interval": f"{100 * low:.0f} to {percent(high)}",
        "note": "; ".join(notes),
    }


def _panel(answer: Answer, folder: Path) -> dict[str, Any]:
    hits = [{"hit": hit, "photo": thumbnail_uri(folder, hit.image)} for hit in answer.hits[:_HITS_SHOWN]]
    return {"query": answer.query, "kind": answer.kind, "hits": hits}
