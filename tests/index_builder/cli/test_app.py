"""The command line: what it prints, and with which status it ends."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from artifacts.gate import read_gate_record
from artifacts.manifest import Canary, PhotoCounts, read_manifest
from artifacts.store import Publication, Store
from index_builder.cli.app import app

Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def building(bundle: Path, catalog: Path, store: Path) -> list[str]:
    """Arguments of a build into the store."""
    return ["build", "--bundle", str(bundle), "--catalog", str(catalog), "--store", str(store)]


def _invoke(*arguments: str, status: int = 0) -> tuple[str, str]:
    """Standard output and standard error of a command that ends with this status and no traceback."""
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return result.stdout, result.stderr


def test_build_tells_what_it_built(building: list[str], store: Path) -> None:
    out, err = _invoke(*building, "--version", "new", "--index", "IVF16,SQ8")
    manifest = read_manifest(store / "versions" / "new")
    lines = out.splitlines()
    assert lines[0].startswith(f"{store / 'versions' / 'new'}: 300 products of width 56 by tiny-1 (")
    assert "IVF16,SQ8" in lines[0]
    assert lines[1] == (
        "photos: 294 usable, 2 absent, 4 unusable (1 address-refused, 1 missing, 1 outside, 1 unreadable)"
    )
    assert lines[2] == "0 of 300 products encoded; the store had the vectors of the others"
    assert lines[3].startswith(f"recall@100 {manifest.index.recall_at_100:.4f} (target 0.99) over 200 queries")
    assert lines[3].endswith(f", nprobe {manifest.index.nprobe}")
    assert "ms a query" in lines[3]
    assert lines[4].startswith("recall was measured with 120 held-out queries and 80 product titles; ")
    assert len(lines) == 5
    assert err.splitlines()[0] == "encoding 0 of 300 products"
    assert Store(store).publication() == Publication(None)


def test_build_and_publish(building: list[str], store: Path) -> None:
    Store(store).publish("flat")
    out, _ = _invoke(*building, "--version", "new", "--publish")
    assert out.splitlines()[-1] == "published new; before it flat"
    assert Store(store).publication() == Publication("new", ("flat",))


def test_random_weights_are_not_published_over_another_model_though_a_change_is_meant(
    building: list[str], other_bundle: Path, store: Path
) -> None:
    Store(store).publish("flat")
    other = ["build", "--bundle", str(other_bundle), *building[3:], "--version", "other", "--index", "Flat"]
    _, err = _invoke(*other, "--publish", "--new-model", status=1)
    refused = "Error: version other is kept, but not published: "
    assert f"{refused}the overlap with the published version's answers is 0.07" in err
    publishing = ["publish", "--store", str(store), "--version", "other"]
    _, err = _invoke(*publishing, status=1)
    assert f"{refused}its model tiny-2 (" in err and "(--new-model says that this is meant); the overlap with" in err
    assert Store(store).publication() == Publication("flat")
    out, _ = _invoke(*publishing, "--new-model", "--least-new-model-overlap", "0.05")
    assert out == "published other; before it flat\n"


def test_a_catalogue_without_one_of_its_columns_is_published_where_that_is_meant(
    building: list[str], catalog: Path, store: Path, tmp_path: Path
) -> None:
    Store(store).publish("flat")
    shop = Path(shutil.copytree(catalog.parent, tmp_path / "shop"))
    pq.write_table(pq.read_table(catalog).drop_columns(["price"]), shop / "catalog.parquet")
    fewer = ["build", *building[1:3], "--catalog", str(shop / "catalog.parquet"), *building[5:], "--index", "Flat"]
    out, _ = _invoke(*fewer, "--version", "fewer", status=1)
    assert "REFUSED BY THE GATE: version fewer is kept and marked: 1 of 2 columns of the published version flat" in out
    out, _ = _invoke(*fewer, "--version", "meant", "--new-columns", "--publish")
    assert out.splitlines()[-1] == "published meant; before it flat"


def test_build_below_target_is_written_but_not_published(building: list[str], store: Path) -> None:
    Store(store).publish("flat")
    coarse = [*building, "--index", "IVF16,SQ4"]
    out, err = _invoke(*coarse, "--version", "new", "--target-recall", "1", "--publish", status=1)
    assert "published" not in out
    assert "Error: version new is kept, but not published: recall@100 is 0." in err
    assert err.endswith("build it again, or publish it with other limits or with --force --reason TEXT\n")
    assert Store(store).publication() == Publication("flat")
    assert not read_manifest(store / "versions" / "new").index.reached_target
    _invoke(*coarse, "--version", "lower", "--target-recall", "0.5", "--publish")
    assert Store(store).publication() == Publication("lower", ("flat",))


def test_build_below_target_without_publish_is_marked_and_has_status_1(building: list[str]) -> None:
    out, _ = _invoke(*building, "--version", "new", "--index", "IVF16,PQ2x4", "--target-recall", "1", status=1)
    reported = out.splitlines()[-1]
    assert reported.startswith("REFUSED BY THE GATE: version new is kept and marked: ")
    assert "its canary queries find" in reported and "; recall@100 is 0." in reported


def test_a_build_is_marked_by_the_gate(building: list[str], store: Path) -> None:
    _invoke(*building, "--version", "new")
    record = read_gate_record(Store(store), "new")
    assert record is not None and record.latest.outcome == "passed"


def test_build_says_when_it_measured_with_titles(text_bundle: Path, catalog: Path, tmp_path: Path) -> None:
    out, _ = _invoke(
        "build", "--bundle", str(text_bundle), "--catalog", str(catalog), "--store", str(tmp_path / "store")
    )
    assert "recall was measured with 0 held-out queries and 300 product titles; with fewer than 200" in out
    assert "photos: the model reads none" in out.splitlines()


def test_update_tells_what_it_encoded(building: list[str], store: Path, catalog: Path, tmp_path: Path) -> None:
    Store(store).publish("flat")
    changed = pq.read_table(catalog).slice(0, 4).append_column("change", pa.array(["upsert"] * 3 + ["delete"]))
    pq.write_table(changed, tmp_path / "changes.parquet")
    arguments = ["update", *building[1:3], "--store", str(store), "--changes", str(tmp_path / "changes.parquet")]
    out, err = _invoke(*arguments, "--version", "new", "--index", "Flat", "--publish")
    assert "0 of 299 products encoded; the store had the vectors of the others" in out.splitlines()
    assert out.splitlines()[-1] == "published new; before it flat"
    assert err.splitlines()[0] == "encoding 0 of 299 products"
    _, err = _invoke(*arguments, "--version", "new", status=2)
    assert "has a version 'new' already" in err
    _, err = _invoke(*arguments, "--base", "none", status=2)
    assert "has no version 'none'" in err


BAD_BUILDS = [
    (["--index", "IVF16,Nonsense"], "Error: factory 'IVF16,Nonsense': FAISS cannot make it for width 56"),
    (
        ["--index", "IVF4096,Flat"],
        "Error: factory 'IVF4096,Flat': expected a training sample of at least 4096",
    ),
    (["--target-recall", "1.5"], "Error: target recall: expected a number above 0 and at most 1, got 1.5"),
    (["--download-concurrency", "0"], "Error: download concurrency: expected 1 to 1000, got 0"),
    (["--shard-rows", "0"], "Error: shard rows: expected 1 to 1,000,000, got 0"),
    (["--download-timeout", "0"], "Error: download timeout: expected more than 0 and at most 3600 seconds, got 0"),
    (["--version", "flat"], "has a version 'flat' already, and versions never change"),
    (["--version", "a/b"], "Error: 'a/b' is no version id"),
    (["--bundle", "nowhere"], "Error: nowhere is no model bundle: it has no model.json"),
    (["--catalog", "nowhere.parquet"], "Error: nowhere.parquet is missing"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_BUILDS, ids=[" ".join(bad) for bad, _ in BAD_BUILDS])
def test_a_bad_build_ends_in_one_sentence(building: list[str], store: Path, arguments: list[str], message: str) -> None:
    _, err = _invoke(*building, *arguments, status=2)
    assert message in err.splitlines()[-1]
    assert Store(store).version_ids() == ["flat", "ivf", "low"]


def test_a_store_that_cannot_be_written(building: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    _, err = _invoke(*building[:-1], str(tmp_path / "file" / "store"), status=2)
    assert err.startswith("Error: ") and "Not a directory" in err


def test_failures_are_printed(store: Path, catalog: Path) -> None:
    out, _ = _invoke("failures", "--store", str(store), "--version", "ivf")
    lines = out.splitlines()
    assert lines[0].split()[:3] == ["product_id", "reason", "attempts"]
    assert [line.split()[1] for line in lines[1:5]] == ["missing", "unreadable", "outside", "address-refused"]
    assert lines[4].endswith("  http://127.0.0.1/photo.png")
    assert lines[5].startswith("4 photos could not be used: ")
    _, err = _invoke("failures", "--store", str(store), status=2)
    assert "has no published version; name one with --version" in err
    (store / "versions" / "ivf" / "failures.parquet").unlink()
    _, err = _invoke("failures", "--store", str(store), "--version", "ivf", status=1)
    assert "failures.parquet is missing" in err


def test_verify_takes_the_published_version(store: Path) -> None:
    Store(store).publish("ivf")
    out, _ = _invoke("verify", "--store", str(store))
    assert out.startswith("version ivf is sound: 300 products of width 56 by tiny-1 (")
    assert "32 canary queries find" in out
    out, _ = _invoke("verify", "--store", str(store), "--version", "flat")
    assert out.startswith("version flat is sound")
    assert "32 canary queries find 100.0% of the expected products" in out


def test_verify_of_a_damaged_version_ends_with_1(store: Path) -> None:
    Store(store).publish("ivf")
    (store / "versions" / "ivf" / "index.faiss").write_bytes(b"")
    out, err = _invoke("verify", "--store", str(store), status=1)
    assert out == ""
    assert err.startswith("Error: ") and "bytes, got 0; the file is damaged" in err


def test_verify_of_a_damaged_current_ends_with_1(store: Path) -> None:
    (store / "CURRENT").write_text("{")
    _, err = _invoke("verify", "--store", str(store), status=1)
    assert "CURRENT is not readable" in err


def test_the_users_mistakes_in_verify_end_with_2(store: Path) -> None:
    _, err = _invoke("verify", "--store", str(store), status=2)
    assert "has no published version; name one with --version" in err
    _, err = _invoke("verify", "--store", str(store), "--version", "none", status=2)
    assert "has no version 'none'; it has flat, ivf, low" in err


def test_publish_list_and_rollback(store: Path) -> None:
    assert _invoke("publish", "--store", str(store), "--version", "flat")[0] == ("published flat; before it nothing\n")
    assert _invoke("publish", "--store", str(store), "--version", "ivf")[0] == "published ivf; before it flat\n"
    out, err = _invoke("publish", "--store", str(store), "--version", "ivf")
    note = "recall was measured with 120 held-out queries and 80 product titles; with fewer than 200 held-out queries"
    assert out == "published ivf; before it flat\n" and err.startswith(f"Note: {note}")
    assert note in _invoke("verify", "--store", str(store))[0]
    out, _ = _invoke("list", "--store", str(store))
    assert out.count(" (120 held-out queries)") == 2  # "low" is below its target, too
    assert out.count(" (below 0.999, 120 held-out queries)") == 1
    marked = [line.split()[:2] for line in out.splitlines() if line.startswith(("current", "previous"))]
    assert marked == [["previous", "flat"], ["current", "ivf"]]
    assert _invoke("rollback", "--store", str(store))[0] == "published flat; before it nothing\n"
    _, err = _invoke("rollback", "--store", str(store), status=2)
    assert "no earlier publication" in err


def test_publish_of_bad_versions(store: Path) -> None:
    Store(store).publish("flat")
    (store / "versions" / "ivf" / "products.parquet").unlink()
    _, err = _invoke("publish", "--store", str(store), "--version", "ivf", status=1)
    assert "products.parquet is missing" in err
    _, err = _invoke("publish", "--store", str(store), "--version", "none", status=2)
    assert "has no version 'none'" in err
    assert Store(store).publication() == Publication("flat")


def test_rollback_to_a_damaged_version_ends_with_1(store: Path) -> None:
    Store(store).publish("ivf")
    Store(store).publish("flat")
    (store / "versions" / "ivf" / "query" / "encoder.onnx").unlink()
    _, err = _invoke("rollback", "--store", str(store), status=1)
    assert "encoder.onnx is missing" in err
    assert Store(store).publication() == Publication("flat", ("ivf",))


def test_a_forced_publication_is_listed_with_its_reason(store: Path) -> None:
    arguments = ("publish", "--store", str(store), "--version", "ivf", "--most-without-photo", "0")
    _, err = _invoke(*arguments, status=1)
    refused = "the share of products without a photo is 0.02, expected at most 0"
    assert f"version ivf is kept, but not published: {refused}" in err
    out, _ = _invoke("list", "--store", str(store))
    assert "ivf was refused at " in out
    out, _ = _invoke(*arguments, "--force", "--reason", "the shop opens at nine")
    assert out == "published ivf; before it nothing\n"
    for command in ("list", "verify"):
        out, _ = _invoke(command, "--store", str(store))
        assert f" (the shop opens at nine) although {refused}" in out.splitlines()[-1]


BAD_PUBLICATIONS = [
    (["--force"], "Error: --force needs a --reason, and --reason goes with --force"),
    (["--reason", "why not"], "Error: --force needs a --reason, and --reason goes with --force"),
    (["--force", "--reason", " "], "Error: reason: expected why the version is published all the same, got nothing"),
    (["--most-product-drop", "20"], "Error: most-product-drop: expected a share from 0 to 1, got 20"),
    (["--least-recall", "nan"], "Error: least-recall: expected a share from 0 to 1, got nan"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_PUBLICATIONS, ids=[" ".join(bad) for bad, _ in BAD_PUBLICATIONS])
def test_a_bad_publication_ends_in_one_sentence(store: Path, arguments: list[str], message: str) -> None:
    _, err = _invoke("publish", "--store", str(store), "--version", "flat", *arguments, status=2)
    assert err == f"{message}\n"
    assert Store(store).publication() == Publication(None)


LIMITS = [
    ("--most-without-photo", "0.01", "the share of products without a photo is 0.02, expected at most 0.01"),
    ("--least-recall", "1", "recall@100 is 0.995, expected at least 1"),
    ("--least-strict-recall", "1", "strict recall@100 is 0.99, expected at least 1"),
    ("--most-photo-rise", "0", "the rise of that share against the published version is 0.02, expected at most 0"),
    ("--most-product-drop", "0.1", "the share of products lost is 0.1429, expected at most 0.1"),
    ("--least-canary-overlap", "1", "the overlap with the published version's answers is 0."),
]


@pytest.mark.parametrize(("option", "limit", "message"), LIMITS)
def test_each_limit_is_an_option(
    store: Path, rewrite_manifest: Callable[..., None], option: str, limit: str, message: str
) -> None:
    flat = store / "versions" / "flat"
    mixed = [
        Canary(query=one.query, product_ids=("gone", *one.product_ids[1:])) for one in read_manifest(flat).canaries
    ]
    rewrite_manifest(flat, count=350, photos=PhotoCounts(usable=350, absent=0), canaries=tuple(mixed))
    ivf = store / "versions" / "ivf"
    index = read_manifest(ivf).index
    curve = tuple(point.model_copy(update={"strict_recall_at_100": 0.99}) for point in index.curve)
    rewrite_manifest(ivf, index=index.model_copy(update={"recall_at_100": 0.995, "curve": curve}))
    Store(store).publish("flat")
    arguments = ("publish", "--store", str(store), "--version", "ivf")
    _, err = _invoke(*arguments, option, limit, status=1)
    assert message in err
    _invoke(*arguments)


def test_prune_tells_what_it_removed(store: Path) -> None:
    Store(store).publish("ivf")
    (store / "versions" / ".half.x7d").mkdir()
    (store / "versions" / ".half.x7d" / "index.faiss").write_bytes(bytes(2_500_000))
    out, _ = _invoke("prune", "--store", str(store), "--keep", "1")
    first, left, total = out.splitlines()
    assert first.startswith("removed version flat: ") and first.endswith(" MB")
    assert left == "removed unused versions/.half.x7d: 2.5 MB"
    assert total.endswith(" MB freed")
    assert Store(store).version_ids() == ["ivf", "low"]
    assert _invoke("prune", "--store", str(store), "--keep", "1")[0] == "0.0 MB freed\n"


def test_prune_of_what_is_no_store(store: Path, tmp_path: Path) -> None:
    _, err = _invoke("prune", "--store", str(tmp_path / "none"), "--keep", "1", status=2)
    assert err == f"Error: {tmp_path / 'none'} does not exist; the first build creates the store\n"
    _, err = _invoke("prune", "--store", str(store), "--keep", "0", status=2)
    assert err == "Error: keep: expected at least 1, got 0\n"
    (store / "CURRENT").write_text("{")
    _, err = _invoke("prune", "--store", str(store), "--keep", "1", status=1)
    assert "CURRENT is not readable" in err
    assert Store(store).version_ids() == ["flat", "ivf", "low"]


def test_diff_of_two_versions(store: Path) -> None:
    out, _ = _invoke("diff", "flat", "ivf", "--store", str(store))
    assert out.splitlines()[:4] == ["flat -> ivf: 300 -> 300 products", "added    0", "removed  0", "changed  0"]
    _, err = _invoke("diff", "flat", "none", "--store", str(store), status=2)
    assert "has no version 'none'" in err


@pytest.mark.parametrize("command", ["build", "verify", "list", "publish", "rollback", "prune", "diff"])
def test_each_command_has_its_help(command: str) -> None:
    out, _ = _invoke(command, "--help")
    assert "--store" in out


@pytest.mark.integration
def test_the_program_as_a_process(run_program: Program, bundle: Path, catalog: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    inputs = ("--bundle", str(bundle), "--catalog", str(catalog), "--store", store)
    built = run_program("build", *inputs, "--version", "first", "--publish")
    assert (built.returncode, built.stdout.splitlines()[-1]) == (0, "published first; before it nothing")
    listed = run_program("list", "--store", store)
    assert listed.stdout.splitlines()[1].startswith("current  first")
    refused = run_program("publish", "--store", store, "--version", "second")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("Error: ") and len(refused.stderr.splitlines()) == 1
