"""The exported query side and photo encoder give what the fitted ones give, in every composition."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from artifacts.bundle import ModelBundle
from artifacts.side import NoFusion, SideSpec
from artifacts.tower_specs import ClipImageTowerSpec, PhotoInput, TowerName
from tests.support.models import PAD_ID, QUERIES, shaken, tiny_clip_specs, tiny_model, tiny_tokenizer, tiny_tokenizers
from towers import export
from towers.clip import clip_config
from towers.errors import ExportError
from towers.export import check_exportable, export_photo_encoder, export_query_side
from towers.model import Side, build_side
from towers.photo_encoder import OnnxPhotoEncoder
from towers.pixels import normalise_photos
from towers.query_encoder import OnnxQueryEncoder
from towers.storage import load_side, save_side

Exported = Callable[[str], ModelBundle]
MANY = [f"{word} {number}" for number in range(9) for word in ("red shoe", "blue", "cotton dress women", "x")]


@torch.inference_mode()
def expected(side: Side, queries: list[str]) -> np.ndarray:
    inputs = {name: torch.from_numpy(read.encode(queries)) for name, read in tiny_tokenizers(side.spec).items()}
    return side(inputs).numpy()


@pytest.mark.parametrize("composition", ["bibert", "clip", "cat", "alpha", "mlp"])
def test_exported_vectors_are_torchs(exported: Exported, composition: str) -> None:
    bundle = exported(composition)
    side, encoder = load_side(bundle.query_folder), OnnxQueryEncoder(bundle.query_folder, bundle.query)
    assert encoder.width == side.spec.width
    for queries in ([""], ["red shoe"], ["red " * 50], QUERIES, MANY):
        vectors = encoder.encode(queries)
        assert (vectors.shape, vectors.dtype) == ((len(queries), side.spec.width), np.float32)
        np.testing.assert_allclose(vectors, expected(side, queries), atol=2e-6)
    np.testing.assert_allclose(encoder.encode(MANY)[5], encoder.encode([MANY[5]])[0], atol=2e-6)
    assert np.abs(encoder.encode(["red"]) - encoder.encode(["blue"])).max() > 1e-3


def test_a_query_without_tokens_is_no_error_and_has_no_vector(exported: Exported) -> None:
    encoder = OnnxQueryEncoder(exported("bibert").query_folder, exported("bibert").query)
    for texts in (1, 3):
        (vectors,) = encoder._session.run(["vectors"], {"bibert_ids": np.full((texts, 4), PAD_ID)})
        assert vectors.shape[0] == texts and np.isnan(vectors).all()


@pytest.mark.parametrize("composition", ["bibert", "clip", "mlp", "3tmm"])
def test_exported_vectors_of_towers_are_torchs(exported: Exported, composition: str) -> None:
    bundle = exported(composition)
    side, encoder = load_side(bundle.query_folder), OnnxQueryEncoder(bundle.query_folder, bundle.query)
    assert encoder.gives_tower_vectors
    for queries in ([""], ["red shoe"], QUERIES, MANY):
        found = encoder.encode_tower_vectors(queries)
        assert found.shape == (len(queries), sum(tower.width for tower in bundle.query.towers))
        assert found.dtype == np.float32
        for name, read in tiny_tokenizers(side.spec).items():
            with torch.inference_mode():
                tower = side.encode_tower(name, torch.from_numpy(read.encode(queries))).numpy()
            np.testing.assert_allclose(found[:, bundle.query.tower_slices[name]], tower, atol=2e-6)


@pytest.mark.parametrize("composition", ["cat", "alpha"])
def test_towers_that_stand_side_by_side_are_exported_once(exported: Exported, composition: str) -> None:
    encoder = OnnxQueryEncoder(exported(composition).query_folder, exported(composition).query)
    assert not encoder.gives_tower_vectors
    assert [output.name for output in encoder._session.get_outputs()] == ["vectors"]


def test_a_tower_that_reads_its_padding_is_exported_at_its_full_length(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = SideSpec(towers=(tiny_clip_specs(no_causal_mask=True, pool_type="first")[0],), fusion=NoFusion())
    assert spec.text_towers[0].text.fixed_length
    side = shaken(build_side(spec))
    save_side(side, tmp_path, {"clip": tiny_tokenizer()})
    export_query_side(side, tmp_path, QUERIES)
    encoder = OnnxQueryEncoder(tmp_path, spec)
    for queries in (["red shoe"], QUERIES):
        np.testing.assert_allclose(encoder.encode(queries), expected(side, queries), atol=2e-6)
    (width,) = [entry.shape[1] for entry in encoder._session.get_inputs()]
    assert width == 10


NAMES: tuple[TowerName, ...] = ("bibert", "clip")


@pytest.fixture
def copied(exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The query side of the bibert bundle; exporting to it finds the encoder.onnx that lies there."""
    folder = Path(shutil.copytree(exported("bibert").query_folder, tmp_path / "query"))
    monkeypatch.setattr(export, "_export", lambda *arguments: None)
    return folder


def test_an_export_of_other_weights_is_refused(copied: Path) -> None:
    side = load_side(copied)
    export_query_side(side, copied, QUERIES)
    with torch.no_grad():
        side.towers["bibert"].side.projection.bias[0] += 0.5
    with pytest.raises(ExportError) as caught:
        export_query_side(side, copied, QUERIES)
    words = str(caught.value)
    assert words.startswith(f"{copied / 'encoder.onnx'} differs from the fitted model by 0.")
    assert words.endswith(" in a coordinate, more than 0.0001; do not serve it")


def test_differences_up_to_the_tolerance_pass_and_no_more(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    side = load_side(copied)
    monkeypatch.setattr(export, "TOLERANCE", 1e-5)
    export_query_side(side, copied, QUERIES)
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(ExportError, match="more than -1; do not serve it"):
        export_query_side(side, copied, QUERIES)


def test_vectors_that_are_no_numbers_are_refused(copied: Path) -> None:
    side = load_side(copied)
    with torch.no_grad():
        side.towers["bibert"].side.projection.bias[0] = torch.nan
    with pytest.raises(ExportError, match="differs from the fitted model by nan"):
        export_query_side(side, copied, QUERIES)


def test_a_query_that_differs_only_in_a_batch_is_found(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = OnnxQueryEncoder.encode

    def wrong_in_batches(self: OnnxQueryEncoder, queries: list[str]) -> np.ndarray:
        return encode(self, queries) + (0.01 if len(queries) > 1 else 0)

    monkeypatch.setattr(OnnxQueryEncoder, "encode", wrong_in_batches)
    export_query_side(load_side(copied), copied, QUERIES[:1])
    with pytest.raises(ExportError, match=r"differs from the fitted model by 0\.01 "):
        export_query_side(load_side(copied), copied, QUERIES)


def test_wrong_vectors_of_towers_are_found(exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(shutil.copytree(exported("mlp").query_folder, tmp_path / "query"))
    monkeypatch.setattr(export, "_export", lambda *arguments: None)
    export_query_side(load_side(folder), folder, QUERIES)
    right = OnnxQueryEncoder.encode_tower_vectors
    monkeypatch.setattr(OnnxQueryEncoder, "encode_tower_vectors", lambda *arguments: right(*arguments)[:, ::-1])
    with pytest.raises(ExportError, match="differs from the fitted model by 0"):
        export_query_side(load_side(folder), folder, QUERIES)


def test_there_must_be_queries_to_compare_on(copied: Path) -> None:
    with pytest.raises(ValueError) as caught:
        export_query_side(load_side(copied), copied, [])
    assert str(caught.value) == "expected at least one query to compare the export on, got none"


def test_a_side_too_large_for_an_onnx_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    side = tiny_model("bibert").query
    size = 4 * sum(parameter.numel() for parameter in side.parameters())
    monkeypatch.setattr(export, "LARGEST_BYTES", size + 1)
    check_exportable(side)
    monkeypatch.setattr(export, "LARGEST_BYTES", size)
    with pytest.raises(ExportError, match=r"the query side has 0\.0 GiB of weights, but its ONNX file must stay under"):
        check_exportable(side)


def test_the_side_is_left_as_it_is(copied: Path) -> None:
    side = tiny_model("bibert").query.train()
    before = {name: tensor.clone() for name, tensor in side.state_dict().items()}
    parameters = list(side.parameters())
    export_query_side(side, copied, QUERIES)
    assert side.training
    assert all(torch.equal(before[name], tensor) for name, tensor in side.state_dict().items())
    assert all(new is old for new, old in zip(side.parameters(), parameters, strict=True))


@pytest.mark.parametrize("composition", ["bibert", "clip"])
def test_a_layer_is_a_few_operators(exported: Exported, composition: str) -> None:
    """A lone query waits for each of them: attention is one, and no product waits for weights to be put together."""
    graph = onnx.load(exported(composition).query_folder / "encoder.onnx").graph
    given = {weight.name for weight in graph.initializer}
    products = [node for node in graph.node if node.op_type in ("Gemm", "MatMul")]
    assert len(products) == {"bibert": 9, "clip": 10}[composition]
    assert all(given.issuperset(node.input[1:]) for node in products)
    assert [node.op_type for node in graph.node].count("Attention") == 2
    assert len(graph.node) <= {"bibert": 75, "clip": 85}[composition]


def test_the_file_tells_nothing_of_the_machine_that_wrote_it(exported: Exported) -> None:
    content = (exported("3tmm").query_folder / "encoder.onnx").read_bytes()
    assert str(Path(export.__file__).parent).encode() not in content
    assert b"site-packages" not in content and b"stack_trace" not in content


def image_side(spec: ClipImageTowerSpec) -> Side:
    torch.manual_seed(0)
    return shaken(build_side(SideSpec(towers=(spec,), fusion=NoFusion())))


@pytest.mark.integration
def test_the_small_clips_image_tower_is_exported(tmp_path: Path) -> None:
    photo = PhotoInput(height=80, width=60, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3), resize_mode="squash")
    spec = ClipImageTowerSpec(config=clip_config("vitrine-small"), photo=photo)
    side = image_side(spec)
    export_photo_encoder(side, tmp_path / "photo")
    pixels = np.random.default_rng(3).integers(0, 256, (7, 80, 60, 3), dtype=np.uint8)
    with torch.no_grad():
        vectors = side.towers["clip"].encode_pixels(normalise_photos(torch.from_numpy(pixels), photo))
        expected = torch.nn.functional.normalize(vectors, dim=1).numpy()
    found = OnnxPhotoEncoder(tmp_path / "photo", spec).encode(list(pixels))
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_weights_too_large_for_one_file_stand_in_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    side = tiny_model("clip").product
    monkeypatch.setattr(export, "LARGEST_BYTES", 1000)
    export_photo_encoder(side, tmp_path / "photo")  # which compares the vectors
    assert {path.name for path in (tmp_path / "photo").iterdir()} == {"tower.json", "encoder.onnx", "encoder.onnx.data"}
    assert (tmp_path / "photo" / "encoder.onnx").stat().st_size < (tmp_path / "photo/encoder.onnx.data").stat().st_size


def test_a_photo_encoder_of_other_weights_is_refused(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = exported("clip").photo_folder / "encoder.onnx"
    monkeypatch.setattr(
        export, "_export", lambda module, inputs, names, outputs, folder: shutil.copyfile(kept, folder / "encoder.onnx")
    )
    side = tiny_model("clip").product
    export_photo_encoder(side, tmp_path / "same")
    with torch.no_grad():
        side.get_parameter("towers.clip.visual.proj")[0] += 0.5
    with pytest.raises(ExportError, match=r"encoder\.onnx differs from the fitted model by 0\."):
        export_photo_encoder(side, tmp_path / "other")


def test_an_image_tower_that_cannot_be_exported_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(export, "_export", fail)
    with pytest.raises(ExportError, match=r"^the photo encoder cannot be exported: no such operator$"):
        export_photo_encoder(tiny_model("clip").product, tmp_path / "photo")
