"""The command line of `python -m feeds`."""

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from artifacts.cli import friendly_errors
from feeds.columns.mapping import Mapping, check, parse_maps, read_mapping
from feeds.errors import FeedError
from feeds.importing import CATALOGUE, Options, import_feed, look_at
from feeds.report.summary import ISSUES, MAPPING, PAGE, as_lines, found_lines

app = typer.Typer(help="Make a catalogue of any product feed.", no_args_is_help=True)
_friendly = friendly_errors(FeedError, OSError, EOFError, zlib.error)  # the last two: a damaged gzip file

_LOOKED_AT = 5000

FeedFile = Annotated[
    Path,
    typer.Argument(
        metavar="FEED",
        help="The feed: CSV, TSV, JSON, JSON lines, XML (Google Merchant and others), Excel or Parquet.",
    ),
]
Maps = Annotated[
    list[str] | None,
    typer.Option(
        "--map", metavar="FIELD=COLUMN",
        help="Say which column is a field, for example title=name; several with commas are the levels of a category or "
        "the photos of a product, and none (brand=) says that there is none. May be given several times.",
    ),
]  # fmt: skip
MappingFile = Annotated[
    Path | None, typer.Option("--mapping", help=f"A mapping that an import saved as {MAPPING}, or one like it.")
]
DecimalMark = Annotated[
    str | None, typer.Option(help="The mark before decimals, . or , where the feed does not show it.")
]
PriceUnit = Annotated[str | None, typer.Option(help="What prices count: units or cents.")]
Currency = Annotated[str | None, typer.Option(help="ISO code for prices without a currency, for example EUR.")]
Encoding = Annotated[
    str | None, typer.Option(help="Encoding of a text file, for example cp1252, where it is not found.")
]


@app.callback()
def main() -> None:
    """Make a catalogue of any product feed."""


@app.command("import")
@_friendly
def import_(
    feed: FeedFile,
    out: Annotated[
        Path, typer.Option(help=f"Folder of the shop to write: {CATALOGUE}, {PAGE}, report.json, {ISSUES}, {MAPPING}.")
    ],
    maps: Maps = None,
    mapping: MappingFile = None,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of photos that are named by the ids of products, or by their rows.")
    ] = None,
    without_photos: Annotated[
        bool, typer.Option("--without-photos", help="Import although no photo that the feed names can be used.")
    ] = False,
    decimal_mark: DecimalMark = None,
    price_unit: PriceUnit = None,
    currency: Currency = None,
    encoding: Encoding = None,
) -> None:
    """Write the catalogue of a feed, and a report of what could not be used."""
    said = _mapping(maps, mapping, decimal_mark, price_unit, currency)
    with tqdm(unit=" rows", unit_scale=True, disable=None) as bar:

        def advance(step: str, rows: int) -> None:
            bar.set_description(step)
            bar.update(rows)

        imported = import_feed(feed, out, Options(said, photos, without_photos, encoding), advance)
    print("\n".join(as_lines(imported.summary, imported.issues)))
    print(f"{out / CATALOGUE} is written; {out / PAGE} says all of this, {out / ISSUES} has every line")


@app.command()
@_friendly
def columns(
    feed: FeedFile,
    maps: Maps = None,
    mapping: MappingFile = None,
    decimal_mark: DecimalMark = None,
    price_unit: PriceUnit = None,
    currency: Currency = None,
    encoding: Encoding = None,
) -> None:
    """Show what the columns of a feed are taken for, by its first rows, and write nothing."""
    said = _mapping(maps, mapping, decimal_mark, price_unit, currency)
    decisions = look_at(feed, Options(said, encoding=encoding), _LOOKED_AT)
    print("\n".join(found_lines(decisions.found())))
    attributes = decisions.reading.survey.attributes
    if attributes:
        print(f"\nattributes: {', '.join(f'{name} ({entry.kind})' for name, entry in attributes.items())}")
    for question in decisions.questions:
        print(f"? {question}")


def _mapping(
    maps: list[str] | None, saved: Path | None, decimal_mark: str | None, price_unit: str | None, currency: str | None
) -> Mapping:
    """Return what a person says: a saved mapping, and options, which go before it."""
    said = read_mapping(saved) if saved is not None else Mapping()
    options = {"decimal_mark": decimal_mark, "price_unit": price_unit, "currency": currency and currency.upper()}
    given = {name: value for name, value in options.items() if value is not None}
    return check(replace(said, columns=said.columns | parse_maps(maps or ()), **given))  # type: ignore[arg-type]
