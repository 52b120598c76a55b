"""The photo encoder of a bundle, with which the service answers photos as queries."""

import shutil
import warnings
from pathlib import Path

from artifacts.atomic import new_folder
from artifacts.bundle import CURVES_FOLDER, ModelBundle, finish_bundle, open_bundle
from artifacts.photo_encoder import PHOTO_ENCODER_FOLDER
from towers.errors import ExportError
from towers.export import export_photo_encoder
from towers.model import Model
from towers.photo_subspace import PhotoSubspace
from towers.storage import load_model


def write_photo_encoder(model: Model, folder: Path) -> None:
    """Write the photo encoder into a bundle's folder, if photos can be queries of this model.

    If the tower cannot be exported, a warning is given and the bundle has no photo encoder.
    """
    if PhotoSubspace.of(model.query.spec) is None:
        return
    try:
        export_photo_encoder(model.product, folder / PHOTO_ENCODER_FOLDER)
    except ExportError as error:
        shutil.rmtree(folder / PHOTO_ENCODER_FOLDER)
        warnings.warn(f"the bundle gets no photo encoder, so that photos cannot be queries: {error}", stacklevel=2)


def add_photo_encoder(bundle: ModelBundle, out: Path) -> ModelBundle:
    """Copy a bundle that was written without a photo encoder, and add one to the copy.

    Both sides keep their fingerprints, so that vectors in a store stay valid for the new bundle.

    Raises:
        ExportError: the bundle has a photo encoder, its model takes no photos as queries, or its tower cannot be
            exported.
        FileExistsError: there is something at `out`.
    """
    if bundle.photo is not None:
        raise ExportError(f"{bundle.path} has a photo encoder already")
    if PhotoSubspace.of(bundle.query) is None:
        raise ExportError(
            f"photos cannot be queries of {bundle.path}: its query side has no CLIP, or mixes it with another tower; "
            "give a bundle of CLIP alone (clip) or of a concatenation (cat, alpha)"
        )
    with new_folder(out) as folder:
        for name in bundle.card.files:
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(bundle.path / name, folder / name)
        if bundle.curves_folder.is_dir():
            shutil.copytree(bundle.curves_folder, folder / CURVES_FOLDER)
        export_photo_encoder(load_model(bundle).product, folder / PHOTO_ENCODER_FOLDER)
        card = bundle.card
        held_out = bundle.held_out_queries()
        finish_bundle(folder, card.origin, held_out, card.query_encoder, card.prior, card.history)
    return open_bundle(out)
