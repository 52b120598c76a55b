"""The vectors that bench-index indexes: the real set, from a trained model, and the hard set, which is synthetic.

Real set. A trained model encodes the products of a catalogue. These vectors are multiplied: each further vector is a
product's vector moved towards one of its near neighbours, plus noise at the scale of the local spread and in the
directions of the neighbours. Isotropic noise would raise the local dimension, and plain copies would lower it. The
record of the set has the local dimension before and after, estimated by maximum likelihood from distances (Levina and
Bickel 2004). Queries are the held-out queries of the model.

Hard set. The vectors are independent Gaussians with a decaying spectrum, so that they have no clusters. The queries are
shifted, so that they are out of the distribution of the vectors.

A set is a folder with a record, which is written last; a complete set is reused. Vectors are read from a memory-mapped
file. The first rows of a set are a smaller set of the same kind.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
import numpy.typing as npt
import typer

from artifacts.atomic import new_folder
from artifacts.bundle import ModelBundle, open_bundle
from artifacts.catalog import read_catalog
from artifacts.checksums import FileRecord, record_files, sha256_of_file, verify_files
from artifacts.errors import ArtifactError
from artifacts.history import read_history
from artifacts.records import Record, read_record, write_record
from knn import exact_search

Vectors = npt.NDArray[np.float32]
Kind = Literal["real", "hard"]
Part = Literal["tuning", "test"]

SCHEMA_VERSION = 1
CARD_FILE = "set.json"
VECTORS_FILE = "vectors.npy"
SEED = 0
# Number of neighbours that a product is mixed with. With this number and this noise, the sample shop's 3,000 products
# kept their local dimension of 8.0 when they were multiplied to 99,000, and the distance of the 20th neighbour shrank
# as this dimension predicts.
NEIGHBOURS = 16
NOISE = 0.7  # standard deviation, in units of the local spread
QUERIES = 1000  # highest number of queries in each part
HARD_WIDTH = 256
HARD_DECAY = 0.75  # exponent of the standard deviations; the first 64 of 256 dimensions have 93% of the energy
BLOCK_ROWS = 4096
_DIMENSION_ROWS, _DIMENSION_NEIGHBOURS = 300, 20  # sample for the estimate of the local dimension


class Source(Record):
    """All inputs of a set; sets with equal sources are equal."""

    kind: Kind
    rows: int
    model: str  # fingerprint of the model; "" for the hard set
    catalog: str  # SHA-256 of the catalogue; "" for the hard set
    neighbours: int = NEIGHBOURS
    noise: float = NOISE
    decay: float = HARD_DECAY
    seed: int = SEED


class SetCard(Record):
    """The record of a set."""

    schema_version: int = SCHEMA_VERSION
    source: Source
    width: int
    real_products: int  # number of products before they were multiplied; 0 for the hard set
    real_dimension: float  # local dimension of the products before they were multiplied; 0 for the hard set
    dimension: float  # local dimension of all rows
    score_span: float  # difference of a query's best and 100th best score, the median of the test queries
    files: dict[str, FileRecord]


@dataclass(frozen=True)
class VectorSet:
    """A set on disk."""

    folder: Path
    card: SetCard

    @property
    def rows(self) -> int:
        """Number of vectors."""
        return self.card.source.rows

    def vectors(self, rows: int | None = None) -> Vectors:
        """Return the first `rows` vectors, or all, memory-mapped. Shape (rows, width)."""
        vectors: Vectors = np.load(self.folder / VECTORS_FILE, mmap_mode="r")
        return vectors[:rows]

    def queries(self, part: Part) -> Vectors:
        """Return the queries of a part, shape (n, width): those for tuning, or others for the measurements."""
        queries: Vectors = np.load(self.folder / f"{part}.npy")
        return queries


def open_set(folder: Path) -> VectorSet:
    """Open a set; only its record is read.

    Raises:
        ArtifactError: there is no set, or it has another schema.
    """
    return VectorSet(folder, read_record(folder / CARD_FILE, SetCard, schema_version=SCHEMA_VERSION))


def is_made(folder: Path, source: Source) -> bool:
    """Return whether the folder holds this set and every file has its recorded checksum."""
    try:
        made = open_set(folder)
        verify_files(folder, made.card.files)
    except ArtifactError:
        return False
    return made.card.source == source


def make_real_set(folder: Path, rows: int, bundle: ModelBundle, catalog: Path) -> None:
    """Make the real set, unless it exists.

    Args:
        folder: folder of the set.
        rows: number of vectors.
        bundle: a trained model with held-out queries.
        catalog: catalog.parquet with its photos beside it.

    Raises:
        ValueError: too few products to be mixed, or too few held-out queries to be split.
    """
    source = Source(kind="real", rows=rows, model=bundle.fingerprint, catalog=sha256_of_file(catalog))
    if is_made(folder, source):
        return
    products, queries = _encode(bundle, catalog)
    if len(products) <= NEIGHBOURS or len(queries) < 2:
        raise ValueError(
            f"{len(products)} products and {len(queries)} held-out queries: expected more than {NEIGHBOURS} and at "
            "least 2; name a larger catalogue and a bundle that was fitted on a log"
        )
    _write_set(folder, source, multiplied(products, rows, SEED), queries, products)


def make_hard_set(folder: Path, rows: int) -> None:
    """Make the hard set, unless it exists."""
    source = Source(kind="hard", rows=rows, model="", catalog="")
    if is_made(folder, source):
        return
    _write_set(folder, source, gaussians(rows, HARD_WIDTH, SEED), shifted_queries(2 * QUERIES, HARD_WIDTH, SEED))


def multiplied(products: Vectors, rows: int, seed: int) -> Iterator[Vectors]:
    """Yield `rows` unit vectors in blocks of shape (n, D): the products themselves, then mixtures.

    Row i is made from product i modulo the number of products.
    """
    near = exact_search(products, products, NEIGHBOURS + 1).rows[:, 1:]  # without the product itself
    for start in range(0, rows, BLOCK_ROWS):
        numbers = np.arange(start, min(start + BLOCK_ROWS, rows))
        base = numbers % len(products)
        rng = np.random.default_rng([seed, start])
        # Weights of the differences to neighbours: noise with the local covariance, plus a step towards one of them.
        weights = rng.standard_normal((len(base), NEIGHBOURS), dtype=np.float32) * (NOISE / NEIGHBOURS**0.5)
        weights[np.arange(len(base)), rng.integers(NEIGHBOURS, size=len(base))] += rng.random(len(base))
        differences = products[near[base]] - products[base, None]  # (n, neighbours, D)
        mixed = products[base] + np.matmul(weights[:, None], differences)[:, 0]
        mixed[numbers < len(products)] = products[numbers[numbers < len(products)]]
        yield _unit(mixed)


def gaussians(rows: int, width: int, seed: int) -> Iterator[Vectors]:
    """Yield blocks of Gaussian vectors with a decaying spectrum. Shape of each: (n, width), unit length."""
    for start in range(0, rows, BLOCK_ROWS):
        rng = np.random.default_rng([seed, start])
        drawn = rng.standard_normal((min(BLOCK_ROWS, rows - start), width), dtype=np.float32)
        yield _unit(drawn * _spectrum(width))


def shifted_queries(count: int, width: int, seed: int) -> Vectors:
    """Return unit queries of the same spectrum, all shifted by one vector of the same scale. Shape (count, width)."""
    rng = np.random.default_rng([seed, 0, 1])
    return _unit((rng.standard_normal((count, width)) + rng.standard_normal(width)) * _spectrum(width))


def local_dimension(vectors: Vectors, seed: int) -> float:
    """Estimate the local dimension by maximum likelihood from the neighbour distances of sampled vectors.

    Levina and Bickel 2004, equation 8, with the average taken over inverse dimensions (MacKay and Ghahramani 2005).
    """
    drawn = np.random.default_rng(seed).choice(len(vectors), min(_DIMENSION_ROWS, len(vectors)), replace=False)
    k = min(_DIMENSION_NEIGHBOURS, len(vectors) - 2)
    scores = exact_search(vectors, np.array(vectors[np.sort(drawn)]), k + 1).scores[:, 1:].astype(np.float64)
    distances = np.sqrt(np.maximum(2 - 2 * scores, 1e-12))  # (n, k), ascending
    inverse = np.log(distances[:, -1:] / distances[:, :-1]).mean()
    return float(1 / inverse) if inverse else 0.0


def held_out_texts(bundle: ModelBundle) -> list[str]:
    """Return the texts of the real set's queries, before they are split into parts."""
    return [query for query in dict.fromkeys(bundle.held_out_queries()) if query.strip()]


def split_queries(count: int) -> dict[Part, npt.NDArray[np.int64]]:
    """Return the indices of the queries in each part, when `count` queries are split at random."""
    order = np.random.default_rng(SEED).permutation(count)
    half = min(QUERIES, count // 2)
    return {"tuning": order[:half], "test": order[half : 2 * half]}


def _encode(bundle: ModelBundle, catalog: Path) -> tuple[Vectors, Vectors]:
    """Return the unit vectors of the products and of the distinct held-out queries."""
    from index_builder.index.measure import encode_queries
    from towers.query_encoder import OnnxQueryEncoder
    from towers.side_encoder import SideEncoder, products_of
    from towers.storage import load_side
    from towers.tokens import read_tokenizers

    read = read_catalog(catalog)
    folder, side = bundle.product_folder, bundle.product
    history = read_history(folder, side)
    encoder = SideEncoder(load_side(folder), read_tokenizers(folder, side), history=history)
    queries = held_out_texts(bundle)
    products = encoder.products(products_of(read))
    if not queries:
        return products, np.empty((0, products.shape[1]), np.float32)
    return products, encode_queries(OnnxQueryEncoder(bundle.query_folder, bundle.query), queries)


def _write_set(
    folder: Path, source: Source, blocks: Iterator[Vectors], queries: Vectors, products: Vectors | None = None
) -> None:
    """Write a set: its vectors block by block, and its queries in two random halves."""
    width = queries.shape[1]
    rows = split_queries(len(queries))
    with new_folder(folder, overwrite=True) as temporary:
        _write_vectors(temporary / VECTORS_FILE, blocks, source.rows, width)
        for part in get_args(Part):
            np.save(temporary / f"{part}.npy", queries[rows[part]])
        vectors: Vectors = np.load(temporary / VECTORS_FILE, mmap_mode="r")
        best = exact_search(vectors, queries[rows["test"]], min(100, source.rows)).scores
        card = SetCard(
            source=source,
            width=width,
            real_products=0 if products is None else len(products),
            real_dimension=0.0 if products is None else local_dimension(products, SEED),
            dimension=local_dimension(vectors, SEED),
            score_span=float(np.median(best[:, 0] - best[:, -1])),
            files=record_files(temporary),
        )
        write_record(temporary / CARD_FILE, card)


def _write_vectors(path: Path, blocks: Iterator[Vectors], rows: int, width: int) -> None:
    """Write a .npy file block by block."""
    written = 0
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, width)}
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(block.astype("<f4", copy=False).tobytes())
            written += len(block)
    assert written == rows


def _spectrum(width: int) -> Vectors:
    return (np.arange(1, width + 1) ** -HARD_DECAY).astype(np.float32)


def _unit(vectors: npt.NDArray[np.floating]) -> Vectors:
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def main(
    kind: Annotated[str, typer.Option(help="Which set: real or hard.")],
    folder: Annotated[Path, typer.Option(help="Folder of the set.")],
    rows: Annotated[int, typer.Option(min=1, help="Number of vectors.")],
    bundle: Annotated[Path | None, typer.Option(help="The model of the real set.")] = None,
    catalog: Annotated[Path | None, typer.Option(help="The catalogue of the real set.")] = None,
) -> None:
    """Make a set of vectors, unless it exists."""
    makers: dict[str, Callable[[], None]] = {"hard": lambda: make_hard_set(folder, rows)}
    if bundle and catalog:
        makers["real"] = lambda: make_real_set(folder, rows, open_bundle(bundle), catalog)
    if kind not in makers:
        raise typer.BadParameter(
            f"{kind!r}: expected one of {', '.join(get_args(Kind))}, real with --bundle, --catalog"
        )
    makers[kind]()


if __name__ == "__main__":
    typer.run(main)
