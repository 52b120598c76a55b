"""The steps from a feed to a published index version, in their order."""

from pathlib import Path

from vitrine.errors import UpError
from vitrine.steps.contents import CatalogPhotos, CatalogTexts, Content, FileContent, FolderPhotos
from vitrine.steps.request import INTERACTIONS, UpRequest
from vitrine.steps.shop_facts import ShopFacts
from vitrine.steps.step import Step
from vitrine.steps.towers import clip_arguments, text_contents, text_recipe

MODEL = "3tmm-prior"  # of title and photo; its queries pass through the text encoder alone
SHOP, DATA, PHOTO_ENCODER, TEXT_ENCODER, FUSION, INDEX = (
    "shop",
    "data",
    "photo-encoder",
    "text-encoder",
    "model",
    "index",
)
STEPS = (SHOP, DATA, PHOTO_ENCODER, TEXT_ENCODER, FUSION, INDEX)
_SEED_OF_SAMPLE = "1"
_VERSIONS_KEPT = 5
_PHOTO_BUNDLE = "clip-towers"
# After the name of a text encoder whose bundle is the start of the fit when a log has come.
_WITHOUT_LOG = "-without-log"


def check_shop(request: UpRequest) -> None:
    """Refuse to import a feed to where there is a shop with a log, whose queries would be taken for the feed's.

    Raises:
        UpError: there is one.
    """
    if request.feed and not request.is_shop and (request.work.shop / INTERACTIONS).exists():
        raise UpError(f"{request.work.shop} holds another shop; give another --out")


def shop_step(request: UpRequest) -> Step | None:
    """Return what makes the shop; None where there is one already."""
    out = ("--out", str(request.work.shop))
    if request.feed is None:
        products = str(request.sample_products)
        arguments = ("training", "sample-shop", *out, "--products", products, "--seed", _SEED_OF_SAMPLE)
        return Step(SHOP, f"generate a sample shop of {request.sample_products:,} products", arguments, request.catalog)
    if request.is_shop:
        return None
    return _import(request, request.feed, out)


def model_steps(request: UpRequest, facts: ShopFacts) -> list[Step]:
    """Return the steps from a shop to a published version: with a fusion of photos where there are any.

    Raises:
        UpError: an encoder that was asked for cannot be one.
    """
    data, text = _data(request, facts), _text_encoder(request, facts)
    if not (request.photos and facts.photo_files):
        return [data, text, _index(request, text)]
    photos = _photo_encoder(request)
    fusion = _fusion(request, text, photos)
    return [data, photos, text, fusion, _index(request, fusion)]


def prune_arguments(request: UpRequest) -> tuple[str, ...]:
    """Return the command line that removes all but the newest versions of the store."""
    return ("index_builder", "prune", "--store", str(request.work.store), "--keep", str(_VERSIONS_KEPT))


def _import(request: UpRequest, feed: Path, out: tuple[str, ...]) -> Step:
    """Return the import of a feed, which replaces the shop only if the feed can be used."""
    maps = [word for one in request.maps for word in ("--map", one)]
    mapping = ("--mapping", str(request.mapping)) if request.mapping else ()
    photos = ("--photos", str(request.photo_folder)) if request.photo_folder else ()
    without = () if request.photos else ("--without-photos",)
    arguments = ("feeds", "import", str(feed), *out, *maps, *mapping, *photos, *without)
    reads: tuple[Content, ...] = (FileContent(feed),)
    reads += (FileContent(request.mapping),) if request.mapping else ()
    reads += (FolderPhotos(request.photo_folder, request.work.folder),) if request.photo_folder else ()
    return Step(SHOP, f"import {feed.name}", arguments, request.catalog, reads=reads, keeps_output=True)


def _data(request: UpRequest, facts: ShopFacts) -> Step:
    log = ("--interactions", str(request.log)) if request.log else ()
    arguments = ("training", "prepare", "--shop", str(request.shop), "--out", str(request.work.data), *log)
    labels = (FileContent(request.shop / name) for name in ("judgments.parquet", "judgments_train.parquet"))
    reads: tuple[Content, ...] = (CatalogTexts(request.catalog), FileContent(request.interactions), *labels)
    does = "make training data from the search log" if facts.has_log else "make training data from the catalogue"
    output, exact = request.work.data / "dataset.json", (FileContent(request.catalog),)
    return Step(DATA, does, arguments, output, reads=reads, matches=exact)


def _photo_encoder(request: UpRequest) -> Step:
    given = clip_arguments(request.image)
    out = request.work.bundle(_PHOTO_BUNDLE)
    arguments = ("training", "clip", "--data", str(request.work.data), "--out", str(out), *given, *_steps(request))
    does = f"load the photo encoder {request.image}" if request.image else "train a photo encoder"
    return Step(PHOTO_ENCODER, does, arguments, out / "model.json", (DATA,))


def _text_encoder(request: UpRequest, facts: ShopFacts) -> Step:
    recipe = text_recipe(request.text, request.work.folder)
    name = Path(recipe).stem
    without_log = request.work.bundle(name + _WITHOUT_LOG)
    out = request.work.bundle(name) if facts.has_log else without_log
    work = request.work
    if out in (work.shop, work.data, work.store, work.logs, work.bundle(_PHOTO_BUNDLE), work.bundle(MODEL)):
        raise UpError(f"--text {request.text}: its model would replace {out}; give the recipe's file another name")
    start = without_log / "model.json"
    begun = ("--bibert", str(without_log)) if facts.has_log and start.is_file() else ()
    given = ("--data", str(request.work.data), "--out", str(out), *begun, *_steps(request))
    reads = (*text_contents(recipe), *((FileContent(start),) if begun else ()))
    does = f"train the text encoder {request.text or recipe}"
    return Step(TEXT_ENCODER, does, ("training", "fit", recipe, *given), out / "model.json", (DATA,), reads)


def _fusion(request: UpRequest, text: Step, photos: Step) -> Step:
    out = request.work.bundle(MODEL)
    towers = ("--bibert", str(text.output.parent), "--clip", str(photos.output.parent))
    arguments = ("training", "fit", MODEL, "--data", str(request.work.data), "--out", str(out), *towers)
    does = "train the model of title and photo"
    return Step(FUSION, does, arguments, out / "model.json", (DATA, TEXT_ENCODER, PHOTO_ENCODER))


def _index(request: UpRequest, model: Step) -> Step:
    arguments = (
        *("index_builder", "build", "--bundle", str(model.output.parent), "--catalog", str(request.catalog)),
        *("--store", str(request.work.store), "--explain", "--publish", "--new-model", "--new-columns"),
    )
    reads: tuple[Content, ...] = (FileContent(request.catalog), CatalogPhotos(request.catalog))
    output = request.work.store / "CURRENT"
    return Step(INDEX, "build the index and publish it", arguments, output, (model.name,), reads, keeps_output=True)


def _steps(request: UpRequest) -> tuple[str, ...]:
    return ("--steps", str(request.training_steps)) if request.training_steps else ()
