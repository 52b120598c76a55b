"""The command `annotator`."""

from pathlib import Path
from typing import Annotated

import typer

from training.options import Out, Seed


def annotator(
    judgments: Annotated[Path, typer.Option(help="judgments.parquet with labels of training queries.")],
    catalog: Annotated[Path, typer.Option(help="catalog.parquet.")],
    out: Out,
    attributes: Annotated[
        list[str] | None,
        typer.Option(help="Column of the catalogue to read after the title; may be repeated."),
    ] = None,
    bibert: Annotated[Path | None, typer.Option(help="Bundle with a fitted BiBERT to start from.")] = None,
    precision: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the labels given that should be right.")
    ] = 0.85,
    seed: Seed = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Number of batches to fit, in place of four epochs.")] = None,
) -> None:
    """Fit a relevance annotator to judgments: it labels pairs E, S, C or I, or abstains."""
    from artifacts.bundle import open_bundle
    from training.annotator.build import AnnotatorRequest, build_annotator
    from training.annotator.tables import report_tables

    request = AnnotatorRequest(
        judgments=judgments,
        catalog=catalog,
        out=out,
        attributes=tuple(attributes or ()),
        bibert=open_bundle(bibert) if bibert else None,
        precision=precision,
        seed=seed,
        steps=steps,
    )
    made = build_annotator(request)
    print(report_tables(made.card))
    print(f"{made.path}: fingerprint {made.card.fingerprint[:12]}")
