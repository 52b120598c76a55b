"""Saving and loading of a model's sides (artifacts/side.py); nothing is unpickled."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from artifacts.bundle import ModelBundle
from artifacts.errors import DamagedError
from artifacts.side import WEIGHTS_FILE, read_side_spec, tokenizer_file, write_side_spec
from artifacts.tower_specs import TowerName
from towers.errors import one_line
from towers.model import Model, Side, build_model, build_side
from towers.weight_checks import nonfinite_weight


def save_side(side: Side, folder: Path, tokenizers: Mapping[TowerName, Tokenizer]) -> None:
    """Write side.json, the weights, and the tokenizer of each tower that reads text."""
    folder.mkdir(parents=True, exist_ok=True)
    write_side_spec(folder, side.spec)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in side.state_dict().items()}
    save_file(weights, folder / WEIGHTS_FILE)
    (folder / WEIGHTS_FILE).chmod(0o644)  # safetensors makes it readable only by its owner
    for tower in side.spec.text_towers:
        tokenizers[tower.name].save(str(folder / tokenizer_file(tower.name)))


def load_side(folder: Path) -> Side:
    """Load one side with its weights, in evaluation mode.

    Raises:
        DamagedError: the weights are missing, unreadable, not finite, or those of another composition.
    """
    side = build_side(read_side_spec(folder))
    _load_weights(side, folder)
    return side.eval()


def load_model(bundle: ModelBundle) -> Model:
    """Load both sides of a bundle, with a shared body of BiBERT, in evaluation mode.

    Raises:
        DamagedError: the weights are missing, unreadable, not finite, or those of another composition.
    """
    model = build_model(bundle.query, bundle.product)
    _load_weights(model.query, bundle.query_folder)
    _load_weights(model.product, bundle.product_folder)
    return model.eval()


def _load_weights(side: Side, folder: Path) -> None:
    path = folder / WEIGHTS_FILE
    try:
        side.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = one_line(error)
        raise DamagedError(f"{path} cannot be loaded as the weights of this side: {reason}") from error
    name = nonfinite_weight(side)
    if name:
        raise DamagedError(
            f"{path} has NaN or infinity in {name}, as a training leaves it that diverged; fit the model again"
        )
