"""The choice between the float32 export and its int8 version as a bundle's query encoder for CPUs.

Int8 is chosen if it finds the same products, gives a query the same vector alone and in a batch, and is faster. If it
finds too few of them, the layers whose rounding costs most stay in float32, a few more with each try. Exactly one of
the versions becomes encoder.onnx, so that index builder, canaries and service use the same encoder.
"""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from artifacts.bundle import EncoderChoice, EncoderComparison, EncoderCost
from artifacts.side import ENCODER_FILE, SideSpec, tokenizer_file
from knn import exact_search, recall_of_rows
from towers.int8 import Int8Version
from towers.query_encoder import OnnxQueryEncoder, Vectors, encoder_inputs
from towers.tokens import read_tokenizers

DEPTH = 100  # nearest products that are compared
LEAST_OVERLAP = 0.99
LEAST_BATCH_COSINE = 0.99999  # rounding alone gives 1e-6 less than 1
# Share of float32's time for a query alone. A smaller gain could be noise, and equal fits would get different files.
MOST_TIME = 0.9
MOST_BATCH_TIME = 1.0  # the same share for a query in a batch
LEAST_QUERIES = 100  # with fewer, 0.99 and 0.98 cannot be told apart
BATCH = 32
TRIES = (0, 2, 3, 4)  # inputs of layers, those whose rounding costs most, whose layers stay in float32
_MOST_QUERIES = 1000
_MOST_SAMPLES = 2048  # queries of the training logs


def choose_encoder(
    folder: Path, spec: SideSpec, queries: Sequence[str], samples: Sequence[str], products: Callable[[], Vectors]
) -> EncoderChoice:
    """Compare the float32 export with its int8 version, and replace it if int8 is chosen.

    Args:
        folder: the query side's folder, with the float32 export.
        spec: its side.json.
        queries: held-out queries to compare on; at most _MOST_QUERIES, evenly spaced, are used.
        samples: training queries on which int8 finds its ranges; at most _MOST_SAMPLES, evenly spaced, are used.
        products: returns the vectors of the catalogue, shape (n, D); called only if there are enough queries.
    """
    if len(queries) < LEAST_QUERIES:
        reason = f"{len(queries)} held-out queries are too few to compare int8 on, {LEAST_QUERIES} are needed"
        return EncoderChoice(precision="fp32", reason=reason)
    if not samples:
        reason = "there are no training queries on which int8 could find its ranges"
        return EncoderChoice(precision="fp32", reason=reason)
    vectors = products()
    if len(vectors) <= DEPTH:
        reason = f"{len(vectors)} products are too few to compare the best {DEPTH} of"
        return EncoderChoice(precision="fp32", reason=reason)
    version = int8_version(folder, spec, _some(samples, _MOST_SAMPLES))
    with TemporaryDirectory(dir=folder.parent) as candidate:
        for tried in TRIES:
            exact = version.by_error[:tried] if tried else ()
            write_candidate(folder, spec, version, Path(candidate), exact)
            comparison = compare((folder, Path(candidate)), spec, _some(queries, _MOST_QUERIES), vectors)
            if not comparison.overlap_at_100 < LEAST_OVERLAP:
                break
        choice = choose(comparison)
        if choice.precision == "int8":
            os.replace(Path(candidate) / ENCODER_FILE, folder / ENCODER_FILE)
    return choice


def compare(folders: tuple[Path, Path], spec: SideSpec, queries: Sequence[str], products: Vectors) -> EncoderComparison:
    """Measure the float32 and the int8 version of a query side, each on one thread.

    Args:
        folders: the folders of the float32 and of the int8 version.
        spec: the side.json of both.
        queries: the queries to compare on, at least one.
        products: vectors of more than DEPTH products, shape (n, D).
    """
    fp32, int8 = (OnnxQueryEncoder(folder, spec) for folder in folders)
    alone = np.concatenate([int8.encode([query]) for query in queries])
    together = np.concatenate([int8.encode(batch) for batch in _batches(queries)])
    wanted = exact_search(products, np.concatenate([fp32.encode([query]) for query in queries]), DEPTH).rows
    found = exact_search(products, alone, DEPTH).rows
    ms = _median_ms((fp32, int8), [[query] for query in queries])
    batch_ms = _median_ms((fp32, int8), _batches(queries))
    sizes = [(folder / ENCODER_FILE).stat().st_size for folder in folders]
    costs = [EncoderCost(ms=a, batch_ms=b, bytes=size) for a, b, size in zip(ms, batch_ms, sizes, strict=True)]
    return EncoderComparison(
        queries=len(queries),
        products=len(products),
        overlap_at_100=float(recall_of_rows(found, list(wanted)).mean()),
        batch_cosine=float((alone * together).sum(axis=1).min()),
        fp32=costs[0],
        int8=costs[1],
    )


def choose(comparison: EncoderComparison) -> EncoderChoice:
    """Choose int8 if it is as good, faster for a query alone and not slower in batches; otherwise float32."""
    fp32, int8 = comparison.fp32, comparison.int8
    same = f"int8 finds {comparison.overlap_at_100:.1%} of the {DEPTH} products that fp32 finds"
    times = f"takes {int8.ms:.3g} ms a query for {fp32.ms:.3g}, in batches {int8.batch_ms:.3g} for {fp32.batch_ms:.3g}"
    if not comparison.overlap_at_100 >= LEAST_OVERLAP:  # NaN is none
        reason = f"{same}, {LEAST_OVERLAP:.0%} are wanted"
    elif not comparison.batch_cosine >= LEAST_BATCH_COSINE:
        reason = (
            f"int8 vectors depend on the queries beside them: their cosine goes down to {comparison.batch_cosine:.6f}, "
            f"{LEAST_BATCH_COSINE} is wanted"
        )
    elif int8.ms > MOST_TIME * fp32.ms or int8.batch_ms > MOST_BATCH_TIME * fp32.batch_ms:
        reason = f"int8 is not faster: it {times}"
    else:
        return EncoderChoice(precision="int8", reason=f"{same} and {times}", comparison=comparison)
    return EncoderChoice(precision="fp32", reason=reason, comparison=comparison)


def int8_version(folder: Path, spec: SideSpec, samples: Sequence[str]) -> Int8Version:
    """Compute the int8 version of a query side.

    Args:
        folder: the query side's folder, with the float32 export.
        spec: its side.json.
        samples: queries on which int8 finds its ranges, at least one.
    """
    tokenizers = read_tokenizers(folder, spec)
    inputs = (encoder_inputs(tokenizers, batch) for batch in _batches(samples))
    return Int8Version(folder / ENCODER_FILE, inputs)


def write_candidate(
    folder: Path, spec: SideSpec, version: Int8Version, candidate: Path, exact: Sequence[str] = ()
) -> None:
    """Write the int8 version of a query side with its tokenizers, so that it is measured as it would be served.

    Args:
        folder: the query side's folder.
        spec: its side.json.
        version: its int8 version.
        candidate: the folder to write to; files of an earlier candidate are replaced.
        exact: names of inputs whose layers stay in float32.
    """
    for tower in spec.text_towers:
        shutil.copyfile(folder / tokenizer_file(tower.name), candidate / tokenizer_file(tower.name))
    version.write(candidate / ENCODER_FILE, exact)


def _some(queries: Sequence[str], most: int) -> Sequence[str]:
    """Return at most `most` queries, evenly spaced."""
    return queries[:: -(-len(queries) // most)]


def _batches(queries: Sequence[str]) -> list[Sequence[str]]:
    return [queries[start : start + BATCH] for start in range(0, len(queries), BATCH)]


def _median_ms(encoders: Sequence[OnnxQueryEncoder], batches: Sequence[Sequence[str]]) -> list[float]:
    """Return the median milliseconds that each encoder takes for a query, measured in turns.

    The time is processor time of this thread, which does all the work, so that other programs do not count.
    """
    seconds: list[list[float]] = [[] for _ in encoders]
    for batch in batches:
        for encoder, taken in zip(encoders, seconds, strict=True):
            began = time.thread_time()
            encoder.encode(batch)
            taken.append((time.thread_time() - began) / len(batch))
    return [float(np.median(taken)) * 1000 for taken in seconds]
