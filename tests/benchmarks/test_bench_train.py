"""That the two trainers of bench-train read the same pairs and train the same architecture."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

pytest.importorskip("datasets")  # with the `bench` extra
pytest.importorskip("accelerate")

from sentence_transformers import SentenceTransformer

from benchmarks.bench_train import peer_bibert, peer_sides, vitrine_sides
from benchmarks.training import ours as ours
from benchmarks.training.data import Size, Workload, make_workload
from benchmarks.training.peer import PRODUCT, QUERY, Setting, bert_model, grouped_by_length
from towers.bert import BertTower
from towers.side_encoder import SideEncoder
from training.batches.pairs import BatchPlan
from training.batches.photo_store import decode_catalog
from training.model.start import side_tokenizers

pytestmark = pytest.mark.integration
SIZE = Size(batch_size=32, warmup=1, steps=2, seed=4)
PLAIN = Setting("sdpa", bf16=False, grouped=False, workers=0)


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    return make_workload(tmp_path_factory.mktemp("bench") / "train", products=300, tower_steps=1)


def test_the_peer_reads_the_pairs_of_our_batches(workload: Workload) -> None:
    pairs = workload.read_pairs(SIZE)
    plan = BatchPlan(workload.pairs, SIZE.batch_size, 3, use_seen_negatives=False, seed=SIZE.seed)
    for step in range(3):
        batch = plan.batch(step)
        mine = pairs[step * 32 : (step + 1) * 32]
        assert [pair.query for pair in mine] == [workload.pairs.queries[query] for query in batch.queries]
        assert [pair.row for pair in mine] == batch.products[batch.positives].tolist()
    assert all(pair.title == workload.data.catalog.titles[pair.row] for pair in pairs)
    bought = zip(*(workload.data.train[name].to_pylist() for name in ("query", "product_id")), strict=True)
    rows = workload.data.catalog.rows_by_product_id()
    assert {(pair.query, pair.row) for pair in pairs} <= {(query, rows[product]) for query, product in bought}


def test_batches_by_length_hold_the_same_pairs(workload: Workload) -> None:
    pairs = workload.read_pairs(SIZE)
    grouped = grouped_by_length(pairs, SIZE)
    assert grouped != pairs
    assert sorted((pair.query, pair.row) for pair in grouped) == sorted((pair.query, pair.row) for pair in pairs)
    lengths = sorted(
        (min(words), max(words))
        for first in range(0, len(grouped), 32)
        for words in [[len(pair.title.split()) for pair in grouped[first : first + 32]]]
    )
    assert all(before[1] <= after[0] for before, after in pairwise(lengths))


def test_a_vitrine_model_gives_its_own_vectors_as_a_module_of_the_peer(workload: Workload, tmp_path: Path) -> None:
    start = workload.start("4tmm-mlp")
    start.model.eval()
    product, rows = start.model.product, [3, 0, 7]
    store = decode_catalog(workload.data.products, product.spec.towers[1].photo, tmp_path)  # type: ignore[union-attr]
    model = SentenceTransformer(modules=[vitrine_sides(start.model, start.tokenizers, store)])
    titles = [workload.data.catalog.titles[row] for row in rows]
    entries = [{"title": title, "row": row} for title, row in zip(titles, rows, strict=True)]
    found = model({**model.preprocess(entries, task=PRODUCT), "task": PRODUCT})["sentence_embedding"]
    encoder = SideEncoder(product, side_tokenizers(product, start.tokenizers))
    expected = torch.from_numpy(encoder.products(workload.data.products)[rows])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in start.model.parameters())


def test_the_two_berts_differ_in_nothing_but_layer_norms_and_projection(workload: Workload) -> None:
    start = workload.start("bibert")
    tower = start.model.product.towers["bibert"].eval()
    assert isinstance(tower, BertTower)
    spec = start.model.product.spec.towers[0]
    peer = bert_model(spec, 16, start.tokenizers["bibert"], "sdpa").eval()  # type: ignore[arg-type]
    bert = peer[0].auto_model
    shared, theirs = _weights(tower.body), _weights(bert)
    assert theirs - bert.embeddings.token_type_embeddings.weight.numel() == shared
    _without_norms(tower)
    _without_norms(bert)
    _copy(tower, bert)
    titles = workload.data.catalog.titles[:20]
    with torch.inference_mode():
        features = peer.preprocess(titles, task=PRODUCT)
        theirs_found = peer({**features, "task": PRODUCT})["sentence_embedding"]
        tokenizer = side_tokenizers(start.model.product, start.tokenizers)["bibert"]
        ids = torch.from_numpy(tokenizer.encode(titles))
        assert torch.equal(features["input_ids"], ids)
        ours_found = start.model.product.encode_tower("bibert", ids)
    torch.testing.assert_close(theirs_found, ours_found, atol=1e-5, rtol=1e-4)
    long = ["blue " * 80]
    assert peer.preprocess(long, task=QUERY)["input_ids"].shape == (1, 16)
    assert peer.preprocess(long, task=PRODUCT)["input_ids"].shape == (1, 64)


def test_both_trainers_have_a_rate(workload: Workload, tmp_path: Path) -> None:
    photo = workload.towers["clip"].product.towers[0].photo  # type: ignore[union-attr]
    store = decode_catalog(workload.data.products, photo, tmp_path)
    assert ours.pairs_per_second(workload, "bibert", SIZE) > 0
    assert peer_bibert(workload, SIZE, PLAIN) > 0
    looked_up = ours.pairs_per_second(workload, "4tmm-mlp", SIZE)
    assert looked_up > ours.pairs_per_second(workload, "4tmm-mlp", SIZE, live=True) > 0
    assert 0 < peer_sides(workload, "4tmm-mlp", SIZE, PLAIN, store) < looked_up


def _weights(module: nn.Module) -> int:
    """Parameters outside of LayerNorms."""
    norms = sum(p.numel() for m in module.modules() if isinstance(m, nn.LayerNorm) for p in m.parameters())
    return sum(parameter.numel() for parameter in module.parameters()) - norms


def _without_norms(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.LayerNorm):
            setattr(module, name, nn.Identity())
        _without_norms(child)
    if isinstance(module, nn.ModuleList):
        for position, child in enumerate(module):
            if isinstance(child, nn.LayerNorm):
                module[position] = nn.Identity()


@torch.no_grad()
def _copy(tower: BertTower, bert: nn.Module) -> None:
    """The tower's weights into transformers' BERT; projection and token types become neutral in both."""
    body, width = tower.body, tower.body.config.width
    nn.init.eye_(tower.side.projection.weight)
    nn.init.zeros_(tower.side.projection.bias)
    embeddings = bert.embeddings
    embeddings.word_embeddings.weight.copy_(body.tokens.weight)  # type: ignore[union-attr,operator]
    embeddings.position_embeddings.weight.copy_(body.positions.weight)  # type: ignore[union-attr,operator]
    embeddings.token_type_embeddings.weight.zero_()  # type: ignore[union-attr,operator]
    for mine, its in zip(body.layers, bert.encoder.layer, strict=True):  # type: ignore[union-attr,arg-type]
        attention = its.attention
        for position, linear in enumerate((attention.self.query, attention.self.key, attention.self.value)):
            rows = slice(position * width, (position + 1) * width)
            linear.weight.copy_(mine.query_key_value.weight[rows])  # type: ignore[union-attr]
            linear.bias.copy_(mine.query_key_value.bias[rows])  # type: ignore[union-attr]
        for own, other in (
            (mine.attention_output, attention.output.dense),
            (mine.expand, its.intermediate.dense),
            (mine.contract, its.output.dense),
        ):
            other.load_state_dict(own.state_dict())  # type: ignore[union-attr]
