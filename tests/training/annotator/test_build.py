"""A whole fit on a tiny world whose labels follow a rule of words."""

import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from artifacts.annotator import AnnotatorFolder
from artifacts.bundle import ModelBundle
from artifacts.catalog import read_catalog
from artifacts.errors import DamagedError, FormatError
from artifacts.judgments import Relevance
from tests.support.annotators import LOOKS, PARTNER, world_label, write_world
from tests.support.models import tiny_bundle
from towers.annotator import ABSTAINED, open_annotator
from training.annotator import start as start_module
from training.annotator.build import AnnotatorRequest, build_annotator
from training.errors import JudgmentsError

pytestmark = pytest.mark.integration
STEPS = 300
TEACHABLE_RATE = 4e-3  # for a width of 32 and a minute's patience
NONSENSE = ["qxv zzkw ppt", "wq9 jjf", "dlrbe", "ooe tss", "bbq vvx kkj uu", "rhcu nw"]


@pytest.fixture(scope="module")
def bibert(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return tiny_bundle(tmp_path_factory.mktemp("bibert") / "bundle", "bibert", export=False)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder)
    return folder


def request(world: Path, out: Path, **changes: object) -> AnnotatorRequest:
    arguments = {"judgments": world / "judgments.parquet", "catalog": world / "catalog.parquet", "out": out, **changes}
    return AnnotatorRequest(**arguments)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fitted(world: Path, bibert: ModelBundle) -> AnnotatorFolder:
    """An annotator that has seen enough."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start_module, "RATE_FROM_BIBERT", TEACHABLE_RATE)
        return build_annotator(request(world, world / "annotator", bibert=bibert, precision=0.9, steps=STEPS))


def test_it_learns_the_rule(fitted: AnnotatorFolder) -> None:
    report = fitted.card.report
    assert report.given.accuracy is not None and report.given.accuracy > 0.85
    assert report.coverage > 0.5
    assert fitted.card.labelling.labels == tuple(Relevance)


def test_queries_are_split_and_none_is_in_two_parts(fitted: AnnotatorFolder, world: Path) -> None:
    judged = pq.read_table(world / "judgments.parquet")
    queries, split = len(set(judged["query"].to_pylist())), fitted.card.origin.split
    assert split.fit_queries + split.calibration_queries + fitted.card.report.queries == queries
    assert split.fit_pairs + split.calibration_pairs + fitted.card.report.pairs == len(judged)
    assert split.unknown_products == 0


def test_it_labels_unseen_wordings_by_the_rule_and_abstains_on_nonsense(fitted: AnnotatorFolder, world: Path) -> None:
    annotator, catalog = open_annotator(fitted.path), read_catalog(world / "catalog.parquet")
    meant = [(look, kind) for look in LOOKS for kind in PARTNER]
    queries = [f"{look} {kind} men" for look, kind in meant]
    numbers, rows = (part.ravel() for part in np.meshgrid(np.arange(len(queries)), np.arange(len(catalog))))
    labels = annotator.label(queries, catalog, numbers, rows)
    titles = [tuple(title.split()[:2]) for title in catalog.titles]
    expected = np.array(["ESCI".index(world_label(meant[n], titles[r])) for n, r in zip(numbers, rows, strict=True)])
    given = labels != ABSTAINED
    assert given.mean() > 0.5
    assert (labels[given] == expected[given]).mean() > 0.85
    numbers, rows = (part.ravel() for part in np.meshgrid(np.arange(len(NONSENSE)), np.arange(len(catalog))))
    assert (annotator.label(NONSENSE, catalog, numbers, rows) == ABSTAINED).mean() > 0.9


def test_equal_seeds_give_equal_annotators(world: Path, bibert: ModelBundle, tmp_path: Path) -> None:
    def fingerprint(name: str, seed: int) -> str:
        made = build_annotator(request(world, tmp_path / name, bibert=bibert, precision=0.0, steps=5, seed=seed))
        return made.card.fingerprint

    assert fingerprint("a", 1) == fingerprint("b", 1) != fingerprint("c", 2)


def test_from_scratch_with_attributes_and_without_complements(tmp_path: Path) -> None:
    write_world(tmp_path, without="C")
    made = build_annotator(request(tmp_path, tmp_path / "a", attributes=("kind", "in_stock"), precision=0.0, steps=2))
    labelling = made.card.labelling
    assert labelling.labels == (Relevance.EXACT, Relevance.SUBSTITUTE, Relevance.IRRELEVANT)
    assert labelling.attributes == ("kind", "in_stock")
    assert made.card.origin.bibert_fingerprint is None
    assert made.card.report.forced.by_label[Relevance.COMPLEMENT].support == 0
    assert sorted(path.name for path in made.path.iterdir()) == [
        "annotator.json",
        "tokenizer.json",
        "weights.safetensors",
    ]
    weights = made.path / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 16
    weights.write_bytes(bytes(content))
    with pytest.raises(DamagedError, match=r"weights\.safetensors does not have the SHA-256"):
        open_annotator(made.path)


def test_products_that_the_catalogue_lacks_are_counted(world: Path, bibert: ModelBundle, tmp_path: Path) -> None:
    catalog = pq.read_table(world / "catalog.parquet")
    pq.write_table(catalog.slice(10), tmp_path / "catalog.parquet")
    lost = set(catalog["product_id"].to_pylist()[:10])
    judged = pq.read_table(world / "judgments.parquet")["product_id"].to_pylist()
    changes = {"catalog": tmp_path / "catalog.parquet", "bibert": bibert, "precision": 0.0, "steps": 1}
    made = build_annotator(request(world, tmp_path / "a", **changes))
    assert made.card.origin.split.unknown_products == sum(product in lost for product in judged) > 0


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"attributes": ("gender",)}, FormatError, r"lacks the attribute column gender; it has product_id"),
        ({"steps": 1, "precision": 1.0}, JudgmentsError, r"no confidence threshold makes 100% of the labels right"),
    ],
)
def test_requests_that_cannot_be_met_write_nothing(
    changes: dict[str, object], kind: type[Exception], message: str, world: Path, bibert: ModelBundle, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message):
        build_annotator(request(world, tmp_path / "a", **{"bibert": bibert, **changes}))
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_overwritten(world: Path, tmp_path: Path) -> None:
    message = f"{tmp_path} exists already; remove it or choose another --out"
    with pytest.raises(FileExistsError, match=f"^{re.escape(message)}$"):
        build_annotator(request(world, tmp_path))


def test_a_bundle_without_bibert_is_refused(world: Path, tmp_path: Path) -> None:
    clip = tiny_bundle(tmp_path / "clip", "clip", export=False)
    message = f"{clip.path} has no BiBERT; give a bundle that was fitted with one, or leave it out"
    with pytest.raises(JudgmentsError, match=f"^{re.escape(message)}$"):
        build_annotator(request(world, tmp_path / "a", bibert=clip))
