"""The log of a generation: who shows its lists, and what stays as it is in the shop."""

import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from artifacts.bundle import ModelBundle
from artifacts.catalog import read_catalog
from knn import exact_search
from tests.training.small_recipes import small
from towers.query_encoder import OnnxQueryEncoder
from towers.vector_cache import VectorCache
from training.batches.training_data import TrainingData
from training.cli import app
from training.errors import ExperimentError
from training.fitting.fit import fit
from training.fitting.request import FitRequest
from training.generations.log import write_log
from training.generations.log_record import read_log
from training.generations.model_engine import ModelEngine

EVALUATION_START = datetime.datetime(2026, 10, 1)
SEED = 3  # of the fixture's shop
PURCHASE = ["session_id", "query", "product_id"]


@pytest.fixture(scope="module")
def model(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    folder = tmp_path_factory.mktemp("model")
    return fit(FitRequest(small("bibert"), data, {}, folder / "bibert", VectorCache(folder / "vectors"), steps=2))


@pytest.fixture(scope="module")
def by_model(shop: Path, model: ModelBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log shown by a model."""
    out = tmp_path_factory.mktemp("log") / "second"
    write_log(shop, model.path, out, 0.7, SEED)
    return out


def months(log: Path, *, evaluation: bool) -> pa.Table:
    """The rows of a log in the evaluation month, or of those before."""
    table = pq.read_table(log)
    late = pc.greater_equal(table["timestamp"], EVALUATION_START)
    return table.filter(late if evaluation else pc.invert(late))


def events(table: pa.Table, kind: str) -> pa.Table:
    return table.filter(pc.equal(table["event"], kind))


def test_without_a_model_and_without_purchases_from_lists_it_is_the_shops_own_log(shop: Path, tmp_path: Path) -> None:
    card = write_log(shop, None, tmp_path / "log", 0.0, SEED)
    own = months(shop / "interactions.parquet", evaluation=False)
    log = months(tmp_path / "log" / "interactions.parquet", evaluation=False)
    columns = ["session_id", "query", "product_id", "position"]
    assert events(log, "impression").select(columns).equals(events(own, "impression").select(columns))
    assert sorted(events(log, "purchase").select(PURCHASE).to_pylist(), key=str) == sorted(
        events(own, "purchase").select(PURCHASE).to_pylist(), key=str
    )
    assert card == read_log(tmp_path / "log") and card.engine is None
    bought = events(own, "purchase")
    assert (card.purchases, card.purchases_shown) == (len(bought), len(bought) - bought["position"].null_count)


def test_the_evaluation_month_is_that_of_the_shop_whatever_shows_the_training_months(
    shop: Path, by_model: Path
) -> None:
    own = months(shop / "interactions.parquet", evaluation=True)
    assert len(own) and months(by_model / "interactions.parquet", evaluation=True).equals(own)


def test_training_months_are_shown_the_models_nearest_products_in_their_order(
    shop: Path, model: ModelBundle, by_model: Path
) -> None:
    catalog = read_catalog(shop / "catalog.parquet")
    shown = events(months(by_model / "interactions.parquet", evaluation=False), "impression").to_pandas()
    some = shown[shown["session_id"].isin(shown["session_id"].unique()[:40])]
    queries = list(dict.fromkeys(some["query"]))
    vectors = OnnxQueryEncoder(model.query_folder, model.query).encode(queries)
    products = ModelEngine(model, catalog)._products
    nearest = dict(zip(queries, exact_search(products, vectors, 16).rows, strict=True))
    for _, session in some.groupby("session_id"):
        wanted = nearest[session["query"].iloc[0]][: len(session)]
        assert session["position"].tolist() == list(range(1, len(session) + 1))
        assert session["product_id"].tolist() == [catalog.product_ids[row] for row in wanted]
        assert 9 <= len(session) <= 16


def test_purchases_move_towards_what_is_shown(shop: Path, by_model: Path) -> None:
    own = events(months(shop / "interactions.parquet", evaluation=False), "purchase")
    log = months(by_model / "interactions.parquet", evaluation=False)
    bought = events(log, "purchase")
    assert set(own["session_id"].to_pylist()) == set(bought["session_id"].to_pylist())  # the same sessions buy
    shown = events(log, "impression").select(PURCHASE)
    were_shown = [
        len(table.select(PURCHASE).join(shown, PURCHASE, join_type="inner")) / len(table) for table in (own, bought)
    ]
    assert were_shown[1] > 1.5 * were_shown[0]
    card = read_log(by_model)
    assert card.purchases == len(bought) and card.purchases_shown / card.purchases == pytest.approx(were_shown[1])
    assert card.engine and card.from_list == 0.7 and 0 < card.shown_exact < card.shown


def test_the_command_says_what_was_shown_and_bought(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "log"
    done = CliRunner().invoke(app, ["generation-log", f"--shop={shop}", f"--out={out}", f"--seed={SEED}"])
    assert done.exit_code == 0, done.output
    log = read_log(out)
    assert f"{log.shown:,} products shown" in done.output and f"{log.purchases:,} purchases" in done.output


def test_a_shop_of_another_seed_is_refused(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="is of no sample shop that `sample-shop --seed 4` makes"):
        write_log(shop, None, tmp_path / "log", 0.7, 4)
    assert not (tmp_path / "log").exists()
