"""One side of a model: its specification and its folder.

A model has a query side and a product side. Each is a list of towers and a fusion, and its folder needs no other files:

    side.json                 the SideSpec below
    weights.safetensors       towers and fusion
    tokenizer-TOWER.json      for each tower that reads text (Hugging Face `tokenizers` format)
    encoder.onnx              query side only, for CPU serving: text token ids in, unit vectors out; if a learned fusion
                              mixes the towers, also tower vectors (TOWER_vectors), but not in older exports
"""

from itertools import accumulate
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from artifacts.records import Record, read_record, write_record
from artifacts.tower_specs import AnyTower, ClipImageTowerSpec, TextTowerSpec, TowerName

SIDE_FILE = "side.json"
WEIGHTS_FILE = "weights.safetensors"
ENCODER_FILE = "encoder.onnx"


class NoFusion(Record):
    """A single tower without fusion."""

    kind: Literal["none"] = "none"


class Concatenation(Record):
    """[a ; b] (paper, Eq. 3)."""

    kind: Literal["cat"] = "cat"


class AlphaConcatenation(Record):
    """[alpha a ; (1 - alpha) b] (paper, Eq. 4)."""

    kind: Literal["alpha"] = "alpha"
    alpha: float = Field(ge=0, le=1)


class MlpFusion(Record):
    """MLP([a ; b]): one hidden layer with GELU (paper, section 3.1)."""

    kind: Literal["mlp"] = "mlp"
    hidden: int = Field(default=512, gt=0)
    width: int = Field(default=256, gt=0)


class ResidualFusion(Record):
    """W1 a + W2 b + MLP([a ; b]), in the space of the first tower; before its fit it is a alone (towers/fusion.py)."""

    kind: Literal["residual"] = "residual"
    hidden: int = Field(default=512, gt=0)


LearnedFusion = MlpFusion | ResidualFusion
FusionSpec = Annotated[
    NoFusion | Concatenation | AlphaConcatenation | MlpFusion | ResidualFusion, Field(discriminator="kind")
]


class PriorSpec(Record):
    """The columns after the content's that hold products' popularity (artifacts/popularity.py)."""

    columns: int = Field(ge=2)  # popularity, what fills a product's vector up to unit length, and zeros
    reach: float = Field(gt=0, le=0.25)  # G, which no product's prior exceeds
    limit: float = Field(gt=0)  # the largest weight that a query gives to popularity


class SideSpec(Record):
    """One side of a model: towers in order, then a fusion, then a unit-length vector."""

    towers: tuple[AnyTower, ...]  # one or two
    fusion: FusionSpec
    prior: PriorSpec | None = None  # of the query side alone, where products' popularity is part of the scores

    @model_validator(mode="after")
    def _check(self) -> "SideSpec":
        names = [tower.name for tower in self.towers]
        if len(names) not in (1, 2):
            raise ValueError(f"a side has one or two towers, got {len(names)}")
        if len(set(names)) != len(names):
            raise ValueError(f"each tower may be on a side once, got {', '.join(names)}")
        if (self.fusion.kind == "none") != (len(names) == 1):
            raise ValueError(
                f"fusion {self.fusion.kind} does not go with {len(names)} tower{'s' * (len(names) > 1)}: "
                "one tower takes none, two take another"
            )
        return self

    @property
    def width(self) -> int:
        """Length of the side's vectors."""
        return self.content_width + (self.prior.columns if self.prior else 0)

    @property
    def content_width(self) -> int:
        """Length D of the side's vectors without the columns for popularity."""
        if isinstance(self.fusion, MlpFusion):
            return self.fusion.width
        if isinstance(self.fusion, ResidualFusion):
            return self.towers[0].width
        return sum(tower.width for tower in self.towers)

    @property
    def mixes_towers(self) -> bool:
        """Whether a learned fusion mixes the towers, so that no part of the vector belongs to a single tower."""
        return isinstance(self.fusion, LearnedFusion)

    @property
    def tower_slices(self) -> dict[TowerName, slice]:
        """The columns of each tower when the vectors of all towers are concatenated."""
        ends = accumulate(tower.width for tower in self.towers)
        return {tower.name: slice(end - tower.width, end) for tower, end in zip(self.towers, ends, strict=True)}

    @property
    def text_towers(self) -> tuple[TextTowerSpec, ...]:
        """The towers that read text, in order."""
        return tuple(tower for tower in self.towers if not isinstance(tower, ClipImageTowerSpec))

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns of the catalogue that a product side reads after the title."""
        return next((tower.text.fields for tower in self.text_towers), ())

    @property
    def reads_photos(self) -> bool:
        """Whether one of the towers reads photos."""
        return len(self.text_towers) < len(self.towers)


def tokenizer_file(tower: TowerName) -> str:
    """Return the file name of a tower's tokenizer in a side's folder."""
    return f"tokenizer-{tower}.json"


def write_side_spec(folder: Path, spec: SideSpec) -> None:
    """Write side.json into a side's folder."""
    write_record(folder / SIDE_FILE, spec)


def read_side_spec(folder: Path) -> SideSpec:
    """Read side.json from a side's folder.

    Raises:
        DamagedError: side.json is missing or not JSON.
        FormatError: side.json does not describe a side.
    """
    return read_record(folder / SIDE_FILE, SideSpec)
