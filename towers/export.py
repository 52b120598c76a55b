"""Export of the query side and the photo encoder as ONNX files, for serving on a CPU without torch."""

import copy
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnxscript.optimizer import optimize_ir
from torch import Tensor, nn

from artifacts.photo_encoder import write_photo_tower
from artifacts.side import ENCODER_FILE
from artifacts.tower_specs import ClipImageTowerSpec, PhotoInput, TextInput
from towers.clip_image import ClipImageTower
from towers.errors import ExportError, one_line
from towers.model import Side, TowerInput
from towers.onnx_file import strip_metadata
from towers.photo_encoder import OnnxPhotoEncoder
from towers.pixels import normalise_photos
from towers.query_encoder import VECTORS_OUTPUT, OnnxQueryEncoder, Vectors, tower_input, tower_output
from towers.tokens import read_tokenizers

# The largest accepted difference of a coordinate between torch and ONNX Runtime, both in float32. Unit vectors have
# coordinates of about 0.06; rounding alone causes differences of about 1e-6.
TOLERANCE = 1e-4

_OPSET = 23  # the first with attention as an operator
LARGEST_BYTES = 2**31  # of an ONNX file, a limit of its format
_SAMPLE_PHOTOS = 4  # photos with which the exported photo encoder is compared with torch


def check_exportable(side: Side) -> None:
    """Check before a fit that the query side is small enough to be exported.

    Raises:
        ExportError: its weights in float32 do not fit into an ONNX file.
    """
    size = _weight_bytes(side)
    if size >= LARGEST_BYTES:
        raise ExportError(
            f"the query side has {size / 2**30:.1f} GiB of weights, but its ONNX file must stay under "
            f"{LARGEST_BYTES / 2**30:g} GiB; keep fewer layers or choose a smaller architecture"
        )


def export_query_side(side: Side, folder: Path, queries: list[str]) -> None:
    """Write encoder.onnx into a query side's folder and compare it with torch.

    Args:
        side: the fitted query side, already saved in `folder`; not changed.
        folder: the folder of its tokenizers, in which encoder.onnx is written.
        queries: real queries for the comparison, at least one.

    Raises:
        ValueError: there are no queries.
        ExportError: the exported vector of a query differs by more than TOLERANCE.
    """
    if not queries:
        raise ValueError("expected at least one query to compare the export on, got none")
    side = copy.deepcopy(side).eval().cpu()
    names = [tower.name for tower in side.spec.text_towers]
    batch = torch.export.Dim("batch")
    inputs = [_input(tower.name, tower.text, batch) for tower in side.spec.text_towers]
    # If towers are mixed, their vectors explain scores. They are computed in any case, and returned on request.
    outputs = [VECTORS_OUTPUT, *(tower_output(name) for name in names if side.spec.mixes_towers)]
    _export(_TextSide(side, names), inputs, [tower_input(name) for name in names], outputs, folder)
    _check(side, folder, queries)


def export_photo_encoder(side: Side, folder: Path) -> None:
    """Write a product side's CLIP tower as a photo encoder (artifacts/photo_encoder.py) and compare it with torch.

    Its input is decoded photos: pixels are normalised inside the graph, by the same code as those of products.

    Args:
        side: the fitted product side, which has a CLIP tower; not changed.
        folder: the folder of the encoder, which is created.

    Raises:
        ExportError: the tower cannot be exported, or its vectors differ by more than TOLERANCE.
    """
    spec = next(tower for tower in side.spec.towers if isinstance(tower, ClipImageTowerSpec))
    tower = copy.deepcopy(side.towers[spec.name]).eval().cpu()
    assert isinstance(tower, ClipImageTower)
    encoder = _PhotoEncoder(tower, spec.photo)
    folder.mkdir()
    write_photo_tower(folder, spec)
    shape = (_SAMPLE_PHOTOS, spec.photo.height, spec.photo.width, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    try:
        _export(encoder, [(pixels, {0: torch.export.Dim("batch")})], ["pixels"], [VECTORS_OUTPUT], folder)
        exported = OnnxPhotoEncoder(folder, spec)
        found = [exported.encode(list(batch.numpy())) for batch in (pixels[:1], pixels)]
    except Exception as error:  # raised by torch, onnxscript, onnx or ONNX Runtime, depending on the architecture
        raise ExportError(f"the photo encoder cannot be exported: {one_line(error)}") from error
    with torch.no_grad():
        expected = encoder((pixels,)).numpy()
    for vectors in found:
        _compare(vectors, expected[: len(vectors)], folder)


class _PhotoEncoder(nn.Module):
    """Encodes decoded photos as unit vectors: ((b, height, width, 3) uint8,) -> (b, d)."""

    def __init__(self, tower: ClipImageTower, photo: PhotoInput) -> None:
        super().__init__()
        self.tower = tower
        self.photo = photo

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        (pixels,) = inputs
        vectors = self.tower.encode_pixels(normalise_photos(pixels, self.photo))
        return nn.functional.normalize(vectors.float(), dim=1)


_Input = tuple[Tensor, dict[int, torch.export.Dim]]  # example token ids or pixels, and their dimensions that may vary


def _input(name: str, text: TextInput, batch: torch.export.Dim) -> _Input:
    """Return a tower's input: any number of texts, of any length unless the tower also reads padding."""
    a_token = 1 if text.pad_id == 0 else text.pad_id - 1
    if text.fixed_length or text.max_tokens == 2:
        return torch.full((3, text.max_tokens), a_token), {0: batch}
    longest = torch.export.Dim(f"{name}_tokens", min=2, max=text.max_tokens)
    return torch.full((3, min(4, text.max_tokens)), a_token), {0: batch, 1: longest}


class _TextSide(nn.Module):
    """The query side as a function from token ids of each tower to its vectors and, if mixed, tower vectors."""

    def __init__(self, side: Side, names: Sequence[str]) -> None:
        super().__init__()
        self.side = side
        self.names = names

    def forward(self, ids: tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        towers = {
            name: self.side.encode_tower(name, self._without_padding(name, read))
            for name, read in zip(self.names, ids, strict=True)
        }
        vectors = self.side.fuse(towers)
        return (vectors, *towers.values()) if self.side.spec.mixes_towers else vectors

    def _without_padding(self, name: str, ids: Tensor) -> TowerInput:
        tower: Any = self.side.towers[name]
        unpadded: TowerInput = tower.remove_padding(ids)
        return unpadded


def _export(
    module: nn.Module,
    inputs: Sequence[_Input],
    input_names: list[str],
    output_names: list[str],
    folder: Path,
) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's warnings concern its own internals
        program = torch.onnx.export(
            module,
            (tuple(example for example, _ in inputs),),
            input_names=input_names,
            output_names=output_names,
            dynamic_shapes=(tuple(varying for _, varying in inputs),),
            dynamo=True,
            opset_version=_OPSET,
            optimize=True,
            verbose=False,
        )
        assert program is not None
        # Weights that are joined or added are so once, here; the exporter itself leaves large ones to each session.
        optimize_ir(program.model, input_size_limit=LARGEST_BYTES, output_size_limit=LARGEST_BYTES)
        # Weights too large for one file are written to a second.
        program.save(folder / ENCODER_FILE, external_data=_weight_bytes(module) >= LARGEST_BYTES)
    strip_metadata(folder / ENCODER_FILE)


def _check(side: Side, folder: Path, queries: list[str]) -> None:
    tokenizers = read_tokenizers(folder, side.spec)
    encoder = OnnxQueryEncoder(folder, side.spec)
    # A query alone and all together: batch size and padding must make no difference.
    for batch in ([queries[0]], queries):
        with torch.no_grad():
            ids = {name: torch.from_numpy(tokenizer.encode(batch)) for name, tokenizer in tokenizers.items()}
            expected, found = side(ids).numpy(), encoder.encode(batch)
            if encoder.gives_tower_vectors:
                expected = np.hstack([expected, *(side.encode_tower(name, read).numpy() for name, read in ids.items())])
                found = np.hstack([found, encoder.encode_tower_vectors(batch)])
        _compare(found, expected, folder)


def _compare(exported: Vectors, expected: Vectors, folder: Path) -> None:
    difference = float(np.abs(exported - expected).max())
    if not difference <= TOLERANCE:  # NaN differs too
        raise ExportError(
            f"{folder / ENCODER_FILE} differs from the fitted model by {difference:.2g} in a coordinate, "
            f"more than {TOLERANCE:g}; do not serve it"
        )


def _weight_bytes(module: nn.Module) -> int:
    """Return the size of a module's weights in float32."""
    return 4 * sum(parameter.numel() for parameter in module.parameters())
