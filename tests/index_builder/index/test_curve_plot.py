"""The picture shows what was measured: its lines are read back from the figure."""

import math
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from artifacts.manifest import IndexDescription, IndexTrial, MeasuredPoint
from index_builder.index import curve_plot
from index_builder.index.curve_plot import draw_curve

GRAPH = ((100, 0.9, 0.2), (200, 0.97, 0.4))  # ef_search, recall and ms


def _point(nprobe: int | None, recall: float, ms: float, k_factor: float | None = None) -> MeasuredPoint:
    return MeasuredPoint(
        nprobe=nprobe, k_factor=k_factor, recall_at_100=recall, strict_recall_at_100=recall - 0.1, ms_per_query=ms
    )


CURVE = (_point(1, 0.5, 0.1), _point(2, 0.9, 0.2), _point(4, 0.99, 0.4), _point(8, 1.0, 0.9))
TRIAL = IndexTrial(
    factory="IVF16,SQ8",
    index_bytes=2_500_000_000,
    sample_rows=20_000,
    recall_depth=30,
    reached_target=False,
    estimated_ms=0.75,
    curve=(_point(1, 0.6, 0.1), _point(2, 0.55, 0.2), _point(4, 0.8, 0.3)),  # the second is beaten by the first
)
DESCRIPTION = IndexDescription(
    factory="IVF16,SQfp16",
    nprobe=4,
    k_factor=None,
    target_recall=0.95,
    recall_at_100=0.99,
    reached_target=True,
    measured_queries=9,
    measured_with="titles",
    curve=CURVE,
    tie_tolerance=0.001,
    tie_share=0.2,
)
TRIED = DESCRIPTION.model_copy(update={"trials": (TRIAL, TRIAL.model_copy(update={"factory": "IVF16,SQfp16"}))})


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures as they are made."""
    made: list[Figure] = []

    class Kept(Figure):
        def __init__(self, **options: object) -> None:
            super().__init__(**options)  # type: ignore[arg-type]
            made.append(self)

    monkeypatch.setattr(curve_plot, "Figure", Kept)
    return made


def _lines(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """Points by label, as milliseconds and recall."""
    return {
        str(line.get_label()): [(float(x), 1 - 10 ** -float(y)) for x, y in line.get_xydata()]
        for line in axes.get_lines()
    }


def _is(points: list[tuple[float, float]], curve: list[tuple[float, float]]) -> bool:
    """Recall from 0.9995 up is drawn there."""
    return points == [pytest.approx((ms, min(recall, 0.9995))) for ms, recall in curve]


def test_lines_are_the_curve(figures: list[Figure], tmp_path: Path) -> None:
    draw_curve(DESCRIPTION, 1_234_567, tmp_path / "curve.png")
    (axes,) = figures[0].axes
    lines = _lines(axes)
    assert _is(lines["within 0.001 or less of the exact 100th"], [(p.ms_per_query, p.recall_at_100) for p in CURVE])
    assert _is(lines["among the exact 100 (strict)"], [(p.ms_per_query, p.strict_recall_at_100) for p in CURVE])
    assert _is(lines["chosen: nprobe 4, 0.9900 in 0.4 ms"], [(0.4, 0.99)])
    assert [recall for _, recall in lines["target 0.95"]] == pytest.approx([0.95, 0.95])
    assert axes.get_title(loc="left") == "IVF16,SQfp16 over 1,234,567 products"
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "ms a query alone, one thread (log scale)")
    assert axes.get_ylabel() == "recall@100 against exact search"
    assert {text.get_text() for text in axes.texts} == {"1", "2", "4", "8"}


def test_in_older_versions_one_tolerance_holds_for_all_queries(figures: list[Figure], tmp_path: Path) -> None:
    draw_curve(DESCRIPTION.model_copy(update={"tie_share": None}), 300, tmp_path / "curve.png")
    assert "within 0.001 of the exact 100th" in _lines(figures[0].axes[0])


def test_everything_is_inside_the_axes(figures: list[Figure], tmp_path: Path) -> None:
    draw_curve(TRIED, 300, tmp_path / "curve.png")
    for axes in figures[0].axes:
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        for points in _lines(axes).values():
            assert all(bottom < -math.log10(1 - recall) < top for _, recall in points)
            assert all(left < ms < right for ms, _ in points) or len({recall for _, recall in points}) == 1
        assert math.log10(right / left) >= 1 - 1e-9


def test_points_of_a_graph_are_named_by_ef_search(figures: list[Figure], tmp_path: Path) -> None:
    curve = tuple(_point(None, recall, ms).model_copy(update={"ef_search": ef}) for ef, recall, ms in GRAPH)
    graph = DESCRIPTION.model_copy(update={"factory": "HNSW32", "curve": curve, "nprobe": None, "ef_search": 200})
    draw_curve(graph, 300, tmp_path / "curve.png")
    (axes,) = figures[0].axes
    assert _is(_lines(axes)["chosen: ef_search 200, 0.9700 in 0.4 ms"], [(0.4, 0.97)])
    assert [text.get_text() for text in axes.texts] == ["100", "200"]


def test_each_k_factor_has_its_line(figures: list[Figure], tmp_path: Path) -> None:
    curve = tuple(_point(nprobe, 0.1 * nprobe, nprobe, k_factor) for k_factor in (1.0, 2.0, 8.0) for nprobe in (1, 2))
    described = DESCRIPTION.model_copy(update={"curve": curve, "nprobe": 2, "k_factor": 2.0})
    draw_curve(described, 300, tmp_path / "curve.png")
    lines = _lines(figures[0].axes[0])
    assert [label for label in lines if label.startswith("within")] == [
        f"within 0.001 or less of the exact 100th, k_factor {k_factor}" for k_factor in (1, 2, 8)
    ]
    assert _is(lines["chosen: nprobe 2, k_factor 2, 0.2000 in 2 ms"], [(2, 0.2)])


def test_types_that_were_tried_stand_beside_it(figures: list[Figure], tmp_path: Path) -> None:
    draw_curve(TRIED, 300, tmp_path / "curve.png")
    _, axes = figures[0].axes
    lines = _lines(axes)
    names = [label for label in lines if label.startswith("IVF")]
    assert names == [
        "IVF16,SQ8: 2.5 GB, about 0.75 ms over all, misses the target",
        "IVF16,SQfp16: 2.5 GB, about 0.75 ms over all, misses the target, chosen",
    ]
    assert _is(lines[names[0]], [(0.1, 0.6), (0.3, 0.8)])
    assert axes.get_title(loc="left") == "Types tried on 20,000 products (recall@30)"


def test_a_gpu_is_named(figures: list[Figure], tmp_path: Path) -> None:
    draw_curve(DESCRIPTION.model_copy(update={"timed_on": "cuda"}), 300, tmp_path / "curve.png")
    assert figures[0].axes[0].get_xlabel() == "ms a query alone, on a GPU (log scale)"


def test_an_exact_index_is_a_point(figures: list[Figure], tmp_path: Path) -> None:
    exact = DESCRIPTION.model_copy(update={"curve": (_point(None, 1.0, 0.8),), "nprobe": None})
    draw_curve(exact, 300, tmp_path / "curve.png")
    assert _is(_lines(figures[0].axes[0])["chosen: 1.0000 in 0.8 ms"], [(0.8, 1.0)])


def test_the_same_curve_is_the_same_file(tmp_path: Path) -> None:
    pictures = []
    for name, description in (("a", DESCRIPTION), ("b", DESCRIPTION), ("c", TRIED)):
        draw_curve(description, 300, tmp_path / name)
        pictures.append((tmp_path / name).read_bytes())
        with Image.open(tmp_path / name) as image:
            assert image.format == "PNG"
            assert image.width == (1664 if name == "c" else 832)
    assert pictures[0] == pictures[1] != pictures[2]
